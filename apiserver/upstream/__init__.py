"""The Kubernetes API as a client sees it."""
