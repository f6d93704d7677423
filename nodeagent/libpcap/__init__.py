"""The C library: live handles, dump files; no policy."""
