"""The status: what nodes report joined, bounded, and judged. Pure."""
