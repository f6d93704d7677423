"""Every rule that a PacketCapture must meet, all broken ones at once. Pure.

Sources: calico-semantics 3 and 4, DESIGN 3 (names, ports, times), 9.3 (limits) and 9.6 (caps).
"""

import re
from collections.abc import Iterator

from apiserver.fields import MAX_ERRORS, FieldError, invalid
from apiserver.jsontypes import JsonObject, array_at, text_at
from apiserver.resource.spec.bounds import size_errors, within_bounds
from apiserver.resource.spec.codec import canonical_spec, read_spec
from apiserver.resource.spec.findings import in_order, new_errors
from apiserver.resource.spec.rules import contradictions
from apiserver.resource.types import Spec

MAX_NAME_LENGTH = 253

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


def spelt_spec(spec: JsonObject, old: JsonObject | None) -> tuple[JsonObject, list[FieldError]]:
    """Return a spec in its stored spelling, and what in it cannot be decoded (400).

    What is too large stays as it is, for `validate_spec`; so does what is as in `old`, the spec before.
    """
    bounded = within_bounds(spec, size_errors(spec))
    canonical, errors = canonical_spec(bounded)
    oversized = {name: value for name, value in spec.items() if name not in bounded}
    return {**canonical, **oversized}, new_errors(errors, spec, old)[:MAX_ERRORS]


def validate_spec(spec: JsonObject, old: JsonObject | None) -> tuple[Spec, list[FieldError]]:
    """Return the meaning of a canonical spec, and everything that is wrong with it (422).

    `old` is the spec before, None on create: what is as it was is not held against a change of the
    rest. The meaning lacks whatever is wrong.
    """
    oversized = size_errors(spec)
    bounded = within_bounds(spec, oversized)
    decoded, unread = read_spec(bounded)
    errors = [
        *oversized,
        *unread,
        *_contradictions(bounded, decoded),
        *_schedule(spec, decoded, old),
    ]
    return decoded, in_order(new_errors(errors, spec, old))[:MAX_ERRORS]


def _contradictions(spec: JsonObject, decoded: Spec) -> Iterator[FieldError]:
    rules = (rule for rule in array_at(spec, "filters") if isinstance(rule, dict))
    for i, (rule, read) in enumerate(zip(rules, decoded.filters, strict=True)):
        yield from contradictions(rule, read, f"spec.filters[{i}]")


def _schedule(spec: JsonObject, decoded: Spec, old: JsonObject | None) -> Iterator[FieldError]:
    """Find an end that is not after the start; a new start is held against an old end as well."""
    start, end = decoded.start_time, decoded.end_time
    if start is None or end is None or end > start:
        return
    if old is not None and spec.get("endTime") == old.get("endTime"):
        detail = f"must be before spec.endTime ({spec['endTime']})"
        yield invalid("spec.startTime", text_at(spec, "startTime"), detail)
        return
    # calico-semantics, trap 24: a new end alone stops only what has begun.
    hint = "; to end a capture before it begins, move startTime as well" if old is not None else ""
    detail = f"must be after spec.startTime ({spec['startTime']}){hint}"
    yield invalid("spec.endTime", text_at(spec, "endTime"), detail)
