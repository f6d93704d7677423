"""Whatever a spec holds: it is judged and never fails, and what is stored is never held against itself."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from apiserver.jsontypes import JsonObject, object_at
from apiserver.resource.schema.kind import kind_schema
from apiserver.resource.spec.advice import spec_warnings
from apiserver.resource.spec.codec import decode_spec
from apiserver.resource.spec.validation import spelt_spec, validate_spec
from apiserver.wire.schema import prune

SCHEMA = kind_schema({})
WORDS = """
80 006 80:90 90:80 http 80-90 TCP tcp ICMP In SYN+!ACK SYN+SYN 10.0.0.0/8 10.1.2.3/8 fd00::/8 10Mi 100m
1h30m 0s 1d 2026-01-02T15:00:00Z 2026-01-02T15:00:00+01:00 has(a) app= greater
"""
TEXTS = st.sampled_from(["", *WORDS.split()]) | st.text(max_size=5)
NUMBERS = st.sampled_from([0, 1, 6, 58, 80, 255, 256, 65_535, 65_536, -1, 1 << 31, 1 << 62])
VALUES = st.none() | st.booleans() | NUMBERS | TEXTS | st.floats(allow_nan=False)
MEMBERS = (
    "protocol",
    "ports",
    "srcNets",
    "dstNets",
    "direction",
    "tcpFlags",
    "icmpType",
    "expression",
)
LIMITS = ("packets", "bytes", "duration", "files", "fileSize", "rotateEvery")
RULES = st.dictionaries(st.sampled_from(MEMBERS), VALUES | st.lists(VALUES, max_size=3))
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "filters": st.lists(RULES | VALUES, max_size=4) | VALUES,
        "limits": st.dictionaries(st.sampled_from(LIMITS), VALUES) | VALUES,
        **dict.fromkeys(("selector", "startTime", "endTime", "snapLength"), VALUES),
        **dict.fromkeys(("headersOnly", "ttlSecondsAfterFinished"), VALUES),
    },
)


def pruned(spec: Any) -> Any:
    return object_at(prune({"spec": spec}, SCHEMA).document, "spec")


@given(SPECS)
def test_a_spec_is_right_or_told_what_is_wrong(spec):
    spelt, unreadable = spelt_spec(pruned(spec), None)
    decoded, errors = validate_spec(spelt, None)

    assert all(each.field.startswith("spec.") for each in unreadable + errors)
    if not unreadable + errors:
        assert decode_spec(spelt) == decoded
        assert spelt_spec(spelt, None) == (spelt, [])


@given(SPECS, st.sampled_from(["selector", "headersOnly"]))
def test_what_is_stored_is_not_held_against_an_edit_of_something_else(spec, edited):
    old, _ = spelt_spec(pruned(spec), None)
    edit: JsonObject = {"selector": "has(b)", "headersOnly": True}

    spelt, unreadable = spelt_spec(old | {edited: edit[edited]}, old)
    _, errors = validate_spec(spelt, old)

    assert unreadable + errors == []
    list(spec_warnings(spelt, old))


@given(SPECS, SPECS)
def test_any_spec_may_become_any_other_or_is_told_why_not(before, after):
    old, _ = spelt_spec(pruned(before), None)
    spelt, unreadable = spelt_spec(pruned(after), old)

    _, errors = validate_spec(spelt, old)

    assert all(each.field.startswith("spec.") for each in unreadable + errors)
