"""Which pod is behind which interface."""
