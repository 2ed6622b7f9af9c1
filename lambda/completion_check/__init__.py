"""The function that tells the provider framework when a deployment need wait no longer."""
