"""Every rule that a PacketCapture must meet, all broken ones at once. Pure.

Sources: calico-semantics 3 and 4, DESIGN 3 (names, ports, times) and 9.6 (caps).
"""

import re

from apiserver.fields import FieldError, forbidden, invalid, too_long, too_many
from apiserver.jsontypes import JsonObject, array_at, text_at
from apiserver.resource.codec import UndecodableError, decode_spec
from apiserver.resource.filters import MAX_PORT_TERMS, MAX_RULES
from apiserver.resource.ports import supports_ports
from apiserver.resource.types import Spec

MAX_NAME_LENGTH = 253

# Room for 10,000 operands; to parse so much takes half a second.
MAX_SELECTOR_BYTES = 256 << 10

# What Calico's documentation promises (DESIGN 3); stricter Kubernetes rules only earn a warning.
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_NAME_RULE = (
    "a name consists of letters, digits, '-', '_' and '.', and begins and ends with a letter or "
    "a digit (for example 'http-errors')"
)
_SUBDOMAIN = re.compile(
    r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*", re.ASCII
)


def name_problems(name: str) -> list[str]:
    """Return what is wrong with a capture's name."""
    if len(name) > MAX_NAME_LENGTH:
        return [f"must be no more than {MAX_NAME_LENGTH} characters"]
    if _NAME.fullmatch(name):
        return []
    return [_NAME_RULE]


def name_warnings(name: str) -> tuple[str, ...]:
    """Return what other tools may not like about a valid name."""
    if _SUBDOMAIN.fullmatch(name):
        return ()
    return (f"metadata.name: {name!r} is not a DNS-1123 subdomain; some tools expect one",)


def validate_spec(
    spec: JsonObject, old: JsonObject | None
) -> tuple[Spec | None, list[FieldError]]:
    """Return the meaning of a canonical spec, and everything that is wrong with it.

    `old` is the spec before, None on create: its times are not held against a change of others.
    """
    errors = size_errors(spec)
    if errors:
        return None, errors
    try:
        decoded = decode_spec(spec)
    except UndecodableError as error:
        return None, [*error.errors]
    errors = [*_impossible_ports(spec, decoded), *_schedule_errors(spec, decoded, old)]
    return decoded, errors


def size_errors(spec: JsonObject) -> list[FieldError]:
    """Return what is too large to be looked at any closer (ours, but for libpcap's own limits)."""
    if len(text_at(spec, "selector").encode()) > MAX_SELECTOR_BYTES:
        return [too_long("spec.selector", MAX_SELECTOR_BYTES)]
    rules = array_at(spec, "filters")
    if len(rules) > MAX_RULES:
        return [too_many("spec.filters", len(rules), MAX_RULES)]
    ports = sum(len(array_at(rule, "ports")) for rule in rules if isinstance(rule, dict))
    if ports <= MAX_PORT_TERMS:
        return []
    detail = f"{ports} ports in all rules; at most {MAX_PORT_TERMS}: use ranges (8000:8080)"
    return [forbidden("spec.filters", detail)]


def _impossible_ports(spec: JsonObject, decoded: Spec) -> list[FieldError]:
    rules = array_at(spec, "filters")
    return [
        forbidden(
            f"spec.filters[{i}].ports",
            f"protocol {_protocol_of(rules[i])} has no ports; only TCP, UDP and SCTP have",
        )
        for i, rule in enumerate(decoded.filters)
        if rule.ports and rule.protocol is not None and not supports_ports(rule.protocol)
    ]


def _protocol_of(rule: object) -> str:
    """Return a rule's protocol as its author wrote it."""
    return str(rule.get("protocol")) if isinstance(rule, dict) else ""


def _schedule_errors(spec: JsonObject, decoded: Spec, old: JsonObject | None) -> list[FieldError]:
    start, end = decoded.start_time, decoded.end_time
    if start is None or end is None or end > start:
        return []
    times = ("startTime", "endTime")
    if old is not None and all(spec.get(name) == old.get(name) for name in times):
        return []
    end_text = text_at(spec, "endTime")
    return [
        invalid("spec.endTime", end_text, f"must be after spec.startTime ({spec['startTime']})")
    ]
