"""The engine: which rings should run, and running them."""
