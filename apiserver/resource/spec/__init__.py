"""The spec: from JSON to values, its one spelling, its rules, and what deserves a warning. Pure."""
