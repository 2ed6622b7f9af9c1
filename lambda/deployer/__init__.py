"""The function that alone deploys models and removes what serves them."""
