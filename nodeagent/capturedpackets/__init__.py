"""`python -m nodeagent captured-packets`: capture files for who administers the node, without the API."""
