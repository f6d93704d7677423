"""Who has set which field: server-side apply, and `metadata.managedFields` of all other writes."""
