"""The function that calls a model: for its smoke tests, and for people who try it."""
