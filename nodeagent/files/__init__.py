"""What is on disk, and serving it."""
