"""Packet filters for tests that care for captures, not for filters."""

from apiserver.resource.filters import Alternative, PacketFilter


def pcap_filter(text: str) -> PacketFilter:
    """Return the filter that is this pcap-filter text."""
    return PacketFilter((Alternative(expression=text),))
