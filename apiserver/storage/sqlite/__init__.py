"""The embedded store: an ordered revision log in one SQLite database."""
