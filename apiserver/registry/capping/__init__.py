"""How many captures may run: counted as they change, claimed before a write, refused beyond."""
