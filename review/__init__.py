"""The security gate: template model, rules, decisions and others' rules over it, one report."""
