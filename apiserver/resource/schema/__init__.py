"""The schemas of the kinds: one source for structure, patches, OpenAPI and documentation. Pure."""
