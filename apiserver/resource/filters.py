"""The rules of a capture as pcap-filter text, the language that libpcap compiles.

Rules are alternatives, and so are the ports of a rule, hence the whole is one flat disjunction of
terms like `tcp port 80` or `proto 132`. Each term matches IPv4 and IPv6, and a port matches source
or destination. Only numbers get into the text: libpcap would look up names on the machine it runs on.

Two limits of the kernel's filters show: of a packet in IPv4 fragments only the first has ports, and
an IPv6 protocol or port is seen behind the fixed header (a protocol behind a fragment header too).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from apiserver.resource.ports import SCTP, TCP, UDP
from apiserver.resource.types import Filter, NamedPort, PortRange

MAX_RULES: Final = 128
# libpcap's optimizer takes time between the square and the cube of the number of terms. The worst
# are ranges without a protocol: 64 take 0.2 s, 128 1.6 s (1,983 instructions), 256 14 s (libpcap
# 1.10.3). Single ports without a protocol take an eighth of that, with one a hundredth.
MAX_PORT_TERMS: Final = 128

CAPTURE_ALL: Final = ""

# The ports that one endpoint gives a name to, by protocol; under None, those of any protocol.
NamedPorts: TypeAlias = Mapping[tuple[str, int | None], Collection[int]]

_QUALIFIERS: Final = {None: "", TCP: "tcp ", UDP: "udp ", SCTP: "sctp "}


class NoMatchError(Exception):
    """There are filters, but no packet of this endpoint can pass them: it must not be captured."""


def expression(filters: Sequence[Filter], named_ports: NamedPorts) -> str:
    """Return what libpcap shall let pass; CAPTURE_ALL is everything.

    Raises:
        NoMatchError: All rules rest on names of ports that are not in `named_ports`.
    """
    if not filters:
        return CAPTURE_ALL
    terms: dict[str, None] = {}
    for rule in filters:
        if rule.protocol is None and not rule.ports:
            return CAPTURE_ALL
        terms.update(dict.fromkeys(_terms(rule, named_ports)))
    if not terms:
        raise NoMatchError
    return " or ".join(terms)


def _terms(rule: Filter, named_ports: NamedPorts) -> Iterator[str]:
    if not rule.ports:
        yield f"proto {rule.protocol}"
        return
    # A protocol without ports has no packet with one: the rule matches nothing.
    qualifier = _QUALIFIERS.get(rule.protocol)
    if qualifier is None:
        return
    for port in rule.ports:
        for ports in _resolved(port, rule.protocol, named_ports):
            if ports.first == ports.last:
                yield f"{qualifier}port {ports.first}"
            else:
                yield f"{qualifier}portrange {ports.first}-{ports.last}"


def _resolved(
    port: PortRange | NamedPort, protocol: int | None, named_ports: NamedPorts
) -> Iterator[PortRange]:
    if isinstance(port, PortRange):
        yield port
        return
    for number in sorted(named_ports.get((port.name, protocol), ())):
        yield PortRange(number, number)
