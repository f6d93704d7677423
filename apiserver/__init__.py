"""The aggregated API server of packetcaptures.projectcalico.org."""
