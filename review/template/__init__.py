"""The template model: what templates would deploy, with nothing left to resolve."""
