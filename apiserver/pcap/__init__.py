"""libpcap's compiler for filters, through cffi in ABI mode; shared with the node agent."""
