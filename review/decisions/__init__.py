"""Who may do what: an evaluator of AWS's policies, and the table of decisions that must hold."""
