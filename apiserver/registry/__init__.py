"""Verbs: what happens between a request and the store."""
