"""Rules of a capture's filters: from JSON to their one stored spelling, and to what they mean.

`errors` takes what is wrong, each with its path; a rule that has some is returned all the same, without
what could not be read.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from apiserver.fields import FieldError, forbidden, invalid
from apiserver.jsontypes import JsonArray, JsonObject, JsonValue, array_at
from apiserver.resource.expressions import expression_problem
from apiserver.resource.spec import ports
from apiserver.resource.spec.badvalues import InvalidError, MalformedError, read, whole_number
from apiserver.resource.spec.networks import parse_network
from apiserver.resource.spec.tcpflags import parse_tcp_flags
from apiserver.resource.types import Direction, Filter

_Value = TypeVar("_Value")

# Of which version of IP each is.
_ICMP_VERSIONS = {ports.ICMP: 4, ports.ICMPV6: 6}
MAX_ICMP_TYPE = 255


def canonical_rule(rule: JsonValue, path: str, errors: list[FieldError]) -> JsonObject:
    """Return a rule in its stored spelling; a null in the list is an empty rule, as in Go."""
    if not isinstance(rule, dict):
        return {}
    canonical: JsonObject = dict(rule)
    if "protocol" in rule:
        protocol = rule["protocol"]
        canonical["protocol"] = _spelt(
            protocol, f"{path}.protocol", ports.canonical_protocol, errors
        )
    if "ports" in rule:
        values: JsonArray = [
            _spelt(port, f"{path}.ports[{i}]", ports.canonical_port, errors)
            for i, port in enumerate(array_at(rule, "ports"))
        ]
        canonical["ports"] = values
    return canonical


def _spelt(
    value: JsonValue, path: str, spell: Callable[[JsonValue], JsonValue], errors: list[FieldError]
) -> JsonValue:
    try:
        return spell(value)
    except MalformedError as error:
        errors.append(invalid(path, value, error.detail))
        return value


def read_rule(rule: JsonObject, path: str, errors: list[FieldError]) -> Filter:
    """Return what a canonical rule means; only TCP has flags, so a rule that names some is of TCP."""
    decoded = Filter(
        protocol=read(rule.get("protocol"), f"{path}.protocol", ports.parse_protocol, errors),
        ports=_items(rule, "ports", path, ports.parse_port, errors),
        src_nets=_items(rule, "srcNets", path, parse_network, errors),
        dst_nets=_items(rule, "dstNets", path, parse_network, errors),
        direction=_member(rule, "direction", path, _direction, errors),
        tcp_flags=_items(rule, "tcpFlags", path, parse_tcp_flags, errors),
        icmp_type=_member(rule, "icmpType", path, whole_number(0, MAX_ICMP_TYPE), errors),
        expression=_member(rule, "expression", path, _expression, errors) or "",
    )
    is_tcp = decoded.protocol is None and bool(decoded.tcp_flags)
    return replace(decoded, protocol=ports.TCP) if is_tcp else decoded


def _items(
    rule: JsonObject,
    name: str,
    path: str,
    reader: Callable[[JsonValue], _Value],
    errors: list[FieldError],
) -> tuple[_Value, ...]:
    values = (
        read(item, f"{path}.{name}[{i}]", reader, errors)
        for i, item in enumerate(array_at(rule, name))
    )
    return tuple(value for value in values if value is not None)


def _member(
    rule: JsonObject,
    name: str,
    path: str,
    reader: Callable[[JsonValue], _Value],
    errors: list[FieldError],
) -> _Value | None:
    return read(rule[name], f"{path}.{name}", reader, errors) if name in rule else None


def _direction(value: JsonValue) -> Direction:
    try:
        return Direction(str(value))
    except ValueError as error:
        raise InvalidError("must be In (to the pod) or Out (from the pod)") from error


def _expression(value: JsonValue) -> str:
    if not isinstance(value, str):
        raise MalformedError("must be text in the language of pcap-filter")
    if problem := expression_problem(value):
        raise InvalidError(problem)
    return value


def contradictions(rule: JsonObject, decoded: Filter, path: str) -> Iterator[FieldError]:
    """Give the members of a rule that no packet meets together; `decoded` is all that could be read."""
    yield from _of_other_protocols(rule, path)
    nets = {"srcNets": decoded.src_nets, "dstNets": decoded.dst_nets}
    # Of those that could not be read nothing is known.
    versions: dict[str, set[int]] = {
        name: {net.version for net in read}
        for name, read in nets.items()
        if read and len(read) == len(array_at(rule, name))
    }
    yield from _of_other_families(rule, decoded, versions, path)


def _of_other_families(
    rule: JsonObject, decoded: Filter, versions: Mapping[str, set[int]], path: str
) -> Iterator[FieldError]:
    if decoded.icmp_type is not None and decoded.protocol in _ICMP_VERSIONS:
        version = _ICMP_VERSIONS[decoded.protocol]
        for name in versions:
            if version not in versions[name]:
                yield invalid(
                    f"{path}.{name}",
                    rule[name],
                    f"must have an IPv{version} network: a packet with this icmpType is IPv{version}",
                )
    elif len(versions) > 1 and not set.intersection(*versions.values()):
        yield invalid(
            f"{path}.dstNets",
            rule["dstNets"],
            "must have a network of the same family as srcNets, which are all "
            f"{_family(versions['srcNets'])}; a packet's addresses are of one family",
        )


def _of_other_protocols(rule: JsonObject, path: str) -> Iterator[FieldError]:
    """Give what the protocol lacks; one that cannot be read is not held against the rest."""
    try:
        protocol = ports.parse_protocol(rule.get("protocol"))
    except (MalformedError, InvalidError):
        return
    has_type = rule.get("icmpType") is not None
    if has_type and protocol not in _ICMP_VERSIONS:
        yield forbidden(f"{path}.icmpType", "may be set only with protocol ICMP or ICMPv6")
    if protocol is None:
        return
    if array_at(rule, "ports") and not ports.supports_ports(protocol):
        why = f"protocol {rule['protocol']} has no ports; only TCP, UDP and SCTP have"
        yield forbidden(f"{path}.ports", why)
    if array_at(rule, "tcpFlags") and protocol != ports.TCP:
        yield forbidden(
            f"{path}.tcpFlags", f"protocol {rule['protocol']} has no such flags; only TCP has"
        )


def _family(versions: set[int]) -> str:
    return " and ".join(f"IPv{version}" for version in sorted(versions))
