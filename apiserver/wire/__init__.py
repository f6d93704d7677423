"""Kubernetes API conventions for any resource; no packet captures here. Pure."""
