"""The rules of a capture with every name resolved, as values and as pcap-filter text.

A `PacketFilter` is what `apiserver.pcap` makes programs of. Its alternatives are the rules of a spec:
a packet passes if it meets one. Only numbers get into a text: libpcap would look up names on the
machine it runs on.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from itertools import product
from typing import Final, TypeAlias

from apiserver.resource.spec.ports import ICMP, ICMPV6, SCTP, TCP, UDP
from apiserver.resource.types import (
    Direction,
    Filter,
    NamedPort,
    Network,
    PortRange,
    Spec,
    TCPFlags,
)

# The ports that one endpoint gives a name to, by protocol; under None, those of any protocol.
NamedPorts: TypeAlias = Mapping[tuple[str, int | None], Collection[int]]

# The protocols that have ports; none is any of them.
_QUALIFIERS: Final = {None: "", TCP: "tcp ", UDP: "udp ", SCTP: "sctp "}

# Of longer ones the pieces, which are taken for nothing.
_NUMBER: Final = re.compile(r"0[xX]0*(?P<hex>[0-9a-fA-F]{1,4})|(?P<decimal>[0-9]{1,5})")
_LAST_PORT: Final = 65535

# Of the terms of one clause, as many are compiled in one piece.
_CHUNK_TERMS: Final = 16

_DIRECTIONS: Final = {Direction.IN: "inbound", Direction.OUT: "outbound"}


class NoMatchError(Exception):
    """There are filters, but no packet of this endpoint can pass them: it must not be captured."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """A rule with the names of its ports resolved (see `Filter`); `rule` is its index in the spec.

    Two rules that say the same are equal. `has_named_ports` is said of rules with an expression only:
    whether any packet meets both depends on the numbers that the names have.
    """

    protocol: int | None = None
    ports: tuple[PortRange, ...] = ()
    src_nets: tuple[Network, ...] = ()
    dst_nets: tuple[Network, ...] = ()
    direction: Direction | None = None
    tcp_flags: tuple[TCPFlags, ...] = ()
    icmp_type: int | None = None
    expression: str = ""
    has_named_ports: bool = False
    rule: int = field(default=0, compare=False)

    @property
    def is_everything(self) -> bool:
        """Whether every packet meets it."""
        return self == _EVERYTHING

    @property
    def text(self) -> str:
        """All but the direction as pcap-filter text; empty if that lets everything pass."""
        return _conjunction(_clauses(self))

    @property
    def texts(self) -> tuple[str, ...]:
        """`text` as alternatives of which each has few terms: libpcap's time grows with their cube."""
        chunks = [
            [clause[at : at + _CHUNK_TERMS] for at in range(0, len(clause), _CHUNK_TERMS)]
            for clause in _clauses(self)
        ]
        return tuple(_conjunction(clauses) for clauses in product(*chunks))

    @property
    def asks_direction_only(self) -> bool:
        """Whether every packet that goes its way meets it."""
        return self == Alternative(direction=self.direction)

    def __str__(self) -> str:
        way = [[_DIRECTIONS[self.direction]]] if self.direction is not None else []
        return _conjunction([*way, *_clauses(self)])


_EVERYTHING: Final = Alternative()


@dataclass(frozen=True, slots=True)
class PacketFilter:
    """Which packets are kept, and how much of each. Equal ones do the same.

    Without alternatives every packet is kept. `snap_length` is in bytes, 0 for all.
    """

    alternatives: tuple[Alternative, ...] = ()
    snap_length: int = 0
    headers_only: bool = False

    def __str__(self) -> str:
        """Return one line in the manner of pcap-filter; `inbound` is to the pod."""
        texts = [str(each) for each in self.alternatives]
        several = len(texts) > 1
        said = " or ".join(f"({each})" if several and " " in each else each for each in texts)
        cuts = [
            *(["headers only"] if self.headers_only else []),
            *([f"at most {self.snap_length} bytes of each"] if self.snap_length else []),
        ]
        return ", ".join([said or "all packets", *cuts])


CAPTURE_ALL: Final = PacketFilter()


def packet_filter(spec: Spec, named_ports: NamedPorts) -> PacketFilter:
    """Return what a spec lets pass on an endpoint.

    Raises:
        NoMatchError: All rules rest on names of ports that are not in `named_ports`.
    """
    met = dict.fromkeys(_alternatives(spec.filters, named_ports))
    if spec.filters and not met:
        raise NoMatchError
    alternatives = () if _EVERYTHING in met else tuple(met)
    return PacketFilter(alternatives, spec.snap_length, spec.headers_only)


def _alternatives(rules: Iterable[Filter], named_ports: NamedPorts) -> Iterator[Alternative]:
    for number, rule in enumerate(rules):
        # Once each: a rule may say a name many times, and a pod may give it to many ports.
        ports = tuple(dict.fromkeys(_resolved(rule, named_ports)))
        if not _can_be_met(rule, ports):
            continue
        names = any(isinstance(port, NamedPort) for port in rule.ports)
        yield Alternative(
            protocol=rule.protocol,
            ports=ports,
            src_nets=rule.src_nets,
            dst_nets=rule.dst_nets,
            direction=rule.direction,
            tcp_flags=rule.tcp_flags,
            icmp_type=rule.icmp_type,
            expression=rule.expression,
            has_named_ports=bool(rule.expression) and names,
            rule=number,
        )


def stand_ins(filters: Sequence[Filter]) -> NamedPorts:
    """Return a number for each named port that stands for nothing else in the filters.

    What an endpoint calls by the name is known there only. At most 128 ports are in filters, hence
    there are numbers enough. What an expression computes, or says in octal, is not seen: a number that
    it means as well may be taken.
    """
    said = (each for rule in filters for each in _NUMBER.finditer(rule.expression))
    taken = {int(each["hex"], 16) if each["hex"] else int(each["decimal"]) for each in said}
    names: dict[tuple[str, int | None], None] = {}
    for rule in filters:
        for port in rule.ports:
            match port:
                case NamedPort(name):
                    names[name, rule.protocol] = None
                case PortRange(first, last):
                    taken |= {first, last}
    free = (number for number in range(_LAST_PORT, 0, -1) if number not in taken)
    return {name: (number,) for name, number in zip(names, free, strict=False)}


def _can_be_met(rule: Filter, ports: Sequence[PortRange]) -> bool:
    """Tell whether what a rule asks for is there at all; if not, it must not ask for less instead."""
    if rule.ports and not (ports and rule.protocol in _QUALIFIERS):
        return False
    if rule.tcp_flags and rule.protocol != TCP:
        return False
    return rule.icmp_type is None or rule.protocol in {ICMP, ICMPV6}


def _resolved(rule: Filter, named_ports: NamedPorts) -> Iterator[PortRange]:
    for port in rule.ports:
        if isinstance(port, NamedPort):
            numbers = named_ports.get((port.name, rule.protocol), ())
            yield from (PortRange(number, number) for number in sorted(numbers))
        else:
            yield port


def _clauses(rule: Alternative) -> list[list[str]]:
    """Return what must be true, each as terms of which one must be."""
    clauses = [
        [f"({rule.expression})"] if rule.expression else [],
        [_port_term(_QUALIFIERS[rule.protocol], ports) for ports in rule.ports],
        [_net_term("src", net) for net in rule.src_nets],
        [_net_term("dst", net) for net in rule.dst_nets],
        [term for flags in rule.tcp_flags for term in _flag_terms(flags)],
        _type_terms(rule.protocol, rule.icmp_type),
    ]
    says_protocol = rule.ports or rule.tcp_flags or rule.icmp_type is not None
    if rule.protocol is not None and not says_protocol:
        clauses.append([f"proto {rule.protocol}"])
    return [clause for clause in clauses if clause]


def _port_term(qualifier: str, ports: PortRange) -> str:
    if ports.first == ports.last:
        return f"{qualifier}port {ports.first}"
    return f"{qualifier}portrange {ports.first}-{ports.last}"


def _net_term(side: str, net: Network) -> str:
    # Without `ip`, libpcap would look into ARP too.
    family = "ip" if isinstance(net, IPv4Network) else "ip6"
    return f"{family} {side} net {net}"


def _flag_terms(flags: TCPFlags) -> Iterator[str]:
    """Give a term for each IP version: libpcap's `tcp[13]` is of IPv4 only."""
    condition = f"& {flags.present | flags.absent:#04x} = {flags.present:#04x}"
    yield f"tcp[13] {condition}"
    yield f"(ip6[6] = {TCP} and ip6[53] {condition})"


def _type_terms(protocol: int | None, icmp_type: int | None) -> list[str]:
    if icmp_type is None:
        return []
    return [f"{'icmp6' if protocol == ICMPV6 else 'icmp'}[0] = {icmp_type}"]


def _conjunction(clauses: Sequence[Sequence[str]]) -> str:
    alone = len(clauses) == 1
    texts = [" or ".join(terms) for terms in clauses]
    several = [len(terms) > 1 and not alone for terms in clauses]
    return " and ".join(
        f"({text})" if inside else text for text, inside in zip(texts, several, strict=True)
    )
