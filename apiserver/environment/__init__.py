"""Where the server runs: alone on a machine, or in a cluster. All that differs between the two."""
