"""Networks of a rule: `10.0.0.0/8`, `fd00::/8`, or one address."""

import re
from ipaddress import IPv6Network, ip_network
from typing import Final

from apiserver.jsontypes import JsonValue
from apiserver.resource.spec.badvalues import InvalidError, MalformedError
from apiserver.resource.types import Network

# Never what `ipaddress` reads besides: netmasks (/255.0.0.0), digits of other scripts, zones (%eth0).
_NETWORK: Final = re.compile(r"[0-9A-Fa-f:.]{2,45}(?:/(?:0|[1-9][0-9]{0,2}))?")
_RULE: Final = (
    "must be a network (10.0.0.0/8, fd00::/8) or an address (10.1.2.3, fd00::1), in numbers"
)


def parse_network(value: JsonValue) -> Network:
    """Return the network that a text means; an address is the network of it alone.

    Raises:
        MalformedError: It is no text.
        InvalidError: No network is written so, or no packet can come from it.
    """
    if not isinstance(value, str):
        raise MalformedError(_RULE)
    if not _NETWORK.fullmatch(value):
        raise InvalidError(_RULE)
    try:
        network = ip_network(value, strict=False)
    except ValueError as error:
        raise InvalidError(_RULE) from error
    address, _, length = value.partition("/")
    if length and ip_network(address).network_address != network.network_address:
        raise InvalidError(
            f"the address has bits beyond the first {length}: write {network}, or {address} for "
            "this address alone"
        )
    _require_of_packets(network)
    return network


def _require_of_packets(network: Network) -> None:
    """Refuse IPv4 addresses in IPv6's form: programs show them so, but packets never have them."""
    if isinstance(network, IPv6Network) and (mapped := network.network_address.ipv4_mapped):
        raise InvalidError(f"no packet has an IPv4 address in this form: write {mapped}")
