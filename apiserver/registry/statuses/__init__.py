"""Statuses: agents' reports joined, what time and silence bring, and the one writer of them."""
