"""Bytes under keys with revisions; every backend keeps the same promises."""
