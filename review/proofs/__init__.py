"""Questions about policies that are answered for every request there could be, with a solver."""
