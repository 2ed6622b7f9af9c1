"""What others' rules say of the same templates: rule packs, a linter, a rule engine."""
