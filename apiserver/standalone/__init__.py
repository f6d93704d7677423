"""Both programs on one machine, without a cluster: `make run`."""
