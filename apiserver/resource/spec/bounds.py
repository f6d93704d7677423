"""What is too large to be looked at: a spec is bounded before anything of it is read.

Sources: DESIGN 9.6; libpcap takes time beyond the number of terms, Linux takes short programs only.
"""

from collections.abc import Collection
from typing import Final

from apiserver.fields import FieldError, forbidden, too_long, too_many
from apiserver.jsontypes import JsonObject, array_at, text_at

# Room for 10,000 operands; to parse so much takes half a second.
MAX_SELECTOR_BYTES: Final = 256 << 10
MAX_RULES: Final = 128

# In all rules together.
MAX_PORT_TERMS: Final = 128
MAX_NETS: Final = 128
MAX_FLAG_TERMS: Final = 128
MAX_EXPRESSION_BYTES: Final = 16 << 10


def size_errors(spec: JsonObject) -> list[FieldError]:
    """Return what is too large, by the member of the spec that is."""
    errors: list[FieldError] = []
    if len(text_at(spec, "selector").encode()) > MAX_SELECTOR_BYTES:
        errors.append(too_long("spec.selector", MAX_SELECTOR_BYTES))
    rules = array_at(spec, "filters")
    if len(rules) > MAX_RULES:
        return [*errors, too_many("spec.filters", len(rules), MAX_RULES)]
    return [*errors, *_filter_errors([rule for rule in rules if isinstance(rule, dict)])]


def _filter_errors(rules: Collection[JsonObject]) -> list[FieldError]:
    nets = _total(rules, "srcNets", "dstNets")
    expressions = sum(len(text_at(rule, "expression").encode()) for rule in rules)
    totals = (
        (_total(rules, "ports"), MAX_PORT_TERMS, "ports", ": use ranges (8000:8080)"),
        (nets, MAX_NETS, "networks", ": use shorter prefixes (10.0.0.0/8)"),
        (_total(rules, "tcpFlags"), MAX_FLAG_TERMS, "tcpFlags", ""),
        (
            expressions,
            MAX_EXPRESSION_BYTES,
            "bytes of expressions",
            ": use ports, srcNets and dstNets",
        ),
    )
    return [
        forbidden("spec.filters", f"{count} {what} in all rules; at most {most}{hint}")
        for count, most, what, hint in totals
        if count > most
    ]


def _total(rules: Collection[JsonObject], *names: str) -> int:
    return sum(len(array_at(rule, name)) for rule in rules for name in names)


def within_bounds(spec: JsonObject, errors: Collection[FieldError]) -> JsonObject:
    """Return a spec without the members that `errors`, of `size_errors`, are about."""
    oversized = {error.field.removeprefix("spec.") for error in errors}
    return {name: value for name, value in spec.items() if name not in oversized}
