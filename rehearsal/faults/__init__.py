"""Planted faults: each edits the synthesised templates and must be refused for its own reason."""
