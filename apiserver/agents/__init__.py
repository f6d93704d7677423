"""Forwarding to node agents."""
