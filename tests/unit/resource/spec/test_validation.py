import pytest

from apiserver.fields import MAX_ERRORS
from apiserver.jsontypes import JsonObject, JsonValue
from apiserver.resource.spec.bounds import MAX_PORT_TERMS, MAX_RULES
from apiserver.resource.spec.validation import (
    name_problems,
    name_warnings,
    spelt_spec,
    validate_spec,
)

ALL: JsonObject = {"selector": "all()"}
START, END = "2026-01-02T15:00:00Z", "2026-01-02T16:00:00Z"


@pytest.mark.parametrize("name", ["a", "http", "A_b", "a.b-c_D9", "x" * 253])
def test_what_calicos_documentation_promises_is_a_name(name):
    assert name_problems(name) == []


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", ".", "..", "a/b", "a b", "a%", "ä", "a\n", "x" * 254]
)
def test_anything_else_is_no_name(name):
    assert len(name_problems(name)) == 1


def test_a_name_that_kubernetes_would_not_take_earns_a_warning():
    assert name_warnings("http-1.x") == ()
    assert len(name_warnings("A_b")) == 1


def test_a_plain_spec_is_right():
    _, errors = validate_spec(ALL, None)

    assert errors == []


@pytest.mark.parametrize(
    ("extra", "field"),
    [
        pytest.param({"selector": "app ="}, "spec.selector", id="selector"),
        pytest.param(
            {"filters": [{"protocol": "tcp"}]}, "spec.filters[0].protocol", id="protocol"
        ),
        pytest.param(
            {"filters": [{}, {"ports": [0]}]}, "spec.filters[1].ports[0]", id="port zero"
        ),
        pytest.param(
            {"filters": [{"protocol": "ICMP", "ports": [80]}]},
            "spec.filters[0].ports",
            id="ports of a protocol that has none",
        ),
        pytest.param({"filters": [{}] * (MAX_RULES + 1)}, "spec.filters", id="too many rules"),
        pytest.param(
            {"filters": [{"ports": [*range(1, MAX_PORT_TERMS + 2)]}]},
            "spec.filters",
            id="too many ports",
        ),
        pytest.param(
            {"filters": [{"srcNets": ["10.0.0.0/8"] * 100, "dstNets": ["10.0.0.0/8"] * 29}]},
            "spec.filters",
            id="too many networks",
        ),
        pytest.param(
            {"filters": [{"tcpFlags": ["SYN"] * 129}]}, "spec.filters", id="too many flags"
        ),
        pytest.param(
            {"filters": [{"expression": "x" * 9000}, {"expression": "y" * 9000}]},
            "spec.filters",
            id="too long expressions",
        ),
        pytest.param({"selector": "a" * 262_145}, "spec.selector", id="too long selector"),
        pytest.param(
            {"filters": [{"protocol": "UDP", "tcpFlags": ["SYN"]}]},
            "spec.filters[0].tcpFlags",
            id="flags of UDP",
        ),
        pytest.param(
            {"filters": [{"icmpType": 8}]}, "spec.filters[0].icmpType", id="type of no protocol"
        ),
        pytest.param(
            {"filters": [{"tcpFlags": ["SYN"], "icmpType": 8}]},
            "spec.filters[0].icmpType",
            id="type of TCP",
        ),
        pytest.param(
            {"filters": [{"srcNets": ["::/0"], "dstNets": ["10.0.0.0/8", "10.1.2.3"]}]},
            "spec.filters[0].dstNets",
            id="from one family to the other",
        ),
        pytest.param(
            {"filters": [{"protocol": 58, "icmpType": 128, "srcNets": ["10.0.0.0/8"]}]},
            "spec.filters[0].srcNets",
            id="a type of ICMPv6 from IPv4",
        ),
        pytest.param(
            {"filters": [{"protocol": 1, "icmpType": 8, "dstNets": ["fd00::/8"]}]},
            "spec.filters[0].dstNets",
            id="a type of ICMP to IPv6",
        ),
        pytest.param(
            {"filters": [{"direction": "in"}]}, "spec.filters[0].direction", id="direction"
        ),
        pytest.param({"snapLength": 262_145}, "spec.snapLength", id="snap length"),
        pytest.param({"limits": {"files": 1001}}, "spec.limits.files", id="files"),
        pytest.param(
            {"ttlSecondsAfterFinished": 1 << 31}, "spec.ttlSecondsAfterFinished", id="ttl"
        ),
        pytest.param({"startTime": END, "endTime": START}, "spec.endTime", id="end before start"),
        pytest.param({"startTime": END, "endTime": END}, "spec.endTime", id="end at start"),
    ],
)
def test_what_is_wrong_is_named(extra, field):
    _, errors = validate_spec(ALL | extra, None)

    assert [error.field for error in errors] == [field]


def test_trap_23_times_that_were_accepted_once_do_not_block_an_edit_of_the_rest():
    old = ALL | {"startTime": END, "endTime": START}

    _, errors = validate_spec(old | {"selector": "has(a)"}, old)

    assert errors == []


def test_times_that_change_are_looked_at_again():
    old = ALL | {"startTime": END, "endTime": START}

    _, errors = validate_spec(old | {"endTime": END}, old)

    assert [error.field for error in errors] == ["spec.endTime"]


def test_networks_of_both_families_may_meet():
    nets: JsonObject = {"srcNets": ["10.0.0.0/8", "fd00::/8"], "dstNets": ["fd00::1"]}

    _, errors = validate_spec(ALL | {"filters": [nets]}, None)

    assert errors == []


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(
            {"protocol": 58, "icmpType": 128, "srcNets": ["10.0.0.0/8", "fd00::/8"]},
            id="a type of ICMPv6, from both",
        ),
        pytest.param({"protocol": 58, "srcNets": ["10.0.0.0/8"]}, id="ICMPv6 without a type"),
    ],
)
def test_networks_of_either_family_may_be_where_packets_are(rule):
    _, errors = validate_spec(ALL | {"filters": [rule]}, None)

    assert errors == []


def test_a_network_that_cannot_be_read_is_not_held_against_the_others():
    nets: JsonObject = {"srcNets": ["10.0.0.0/8", "fd00::1/8"], "dstNets": ["fd00::1"]}

    _, errors = validate_spec(ALL | {"filters": [nets]}, None)

    assert [error.field for error in errors] == ["spec.filters[0].srcNets[1]"]


def test_all_errors_are_said_at_once_in_the_order_of_the_fields():
    _, errors = validate_spec(
        {
            "ttlSecondsAfterFinished": -1,
            "limits": {"packets": 0},
            "snapLength": -1,
            "startTime": END,
            "endTime": START,
            "filters": [{"protocol": "ICMP", "ports": [0]}, {"protocol": "tcp"}],
            "selector": "(",
        },
        None,
    )

    assert [error.field for error in errors] == [
        "spec.selector",
        "spec.filters[0].ports[0]",
        "spec.filters[0].ports",
        "spec.filters[1].protocol",
        "spec.endTime",
        "spec.snapLength",
        "spec.limits.packets",
        "spec.ttlSecondsAfterFinished",
    ]


def test_errors_are_bounded():
    filters: JsonValue = [{"protocol": "x", "direction": "y"} for _ in range(MAX_RULES)]

    _, errors = validate_spec(ALL | {"filters": filters}, None)

    assert len(errors) == MAX_ERRORS


BAD: JsonObject = {
    "selector": "app =",
    "filters": [{"protocol": "tcp"}, {"ports": [0]}],
    "snapLength": -1,
    "limits": {"packets": 0, "bytes": 0},
    "ttlSecondsAfterFinished": -1,
    "startTime": END,
    "endTime": START,
}


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param({"selector": "has(a)"}, id="selector"),
        pytest.param({"filters": [{"protocol": "TCP"}]}, id="filters"),
        pytest.param({"filters": [{"ports": [0]}, {}, {"protocol": "tcp"}]}, id="order of rules"),
        pytest.param({"limits": {"packets": 0, "bytes": 1}}, id="a limit beside"),
        pytest.param({"limits": {}}, id="limits gone"),
        pytest.param({"headersOnly": True}, id="something new"),
        pytest.param({"endTime": "2026-01-02T17:00:00Z"}, id="end"),
        pytest.param({"startTime": "2026-01-02T14:00:00Z"}, id="start"),
    ],
)
def test_what_was_stored_before_a_rule_does_not_block_an_edit_of_the_rest(edit):
    _, errors = validate_spec(BAD | edit, BAD)

    assert errors == []


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        pytest.param({"selector": "app !"}, "spec.selector", id="selector"),
        pytest.param(
            {"filters": [{"protocol": "tcp", "ports": [1]}]},
            "spec.filters[0].protocol",
            id="another rule with the old fault",
        ),
        pytest.param({"limits": {"packets": -1}}, "spec.limits.packets", id="limit"),
        pytest.param({"snapLength": -2}, "spec.snapLength", id="snap length"),
        pytest.param({"startTime": "2026-01-02T18:00:00Z"}, "spec.startTime", id="start"),
        pytest.param({"endTime": "2026-01-02T14:00:00Z"}, "spec.endTime", id="end"),
    ],
)
def test_what_an_edit_changes_is_judged(edit, field):
    _, errors = validate_spec(BAD | edit, BAD)

    assert [error.field for error in errors] == [field]


def test_too_many_rules_that_are_stored_do_not_block_an_edit_of_the_rest():
    old = ALL | {"filters": [{"protocol": 6}] * (MAX_RULES + 1)}

    _, errors = validate_spec(old | {"endTime": END}, old)

    assert errors == []


def test_what_could_not_be_read_before_stays_as_it_is():
    old: JsonObject = {"selector": "all()", "startTime": "soon", "limits": {"bytes": "10MB"}}

    spec, errors = spelt_spec(old | {"endTime": END}, old)

    assert errors == []
    assert spec == old | {"endTime": END}


def test_what_cannot_be_read_is_said_of_what_is_new():
    old: JsonObject = {"selector": "all()", "startTime": "soon", "limits": {"bytes": "10MB"}}

    _, errors = spelt_spec(old | {"limits": {"bytes": "20MB"}}, old)

    assert [error.field for error in errors] == ["spec.limits.bytes"]


def test_what_is_too_large_is_not_spelt():
    large: JsonObject = {"selector": "a" * 262_145, "filters": [{"protocol": "6"}] * 129}

    spec, errors = spelt_spec(large, None)

    assert errors == []
    assert spec == large


def test_trap_24_a_capture_that_has_not_begun_is_not_ended_by_an_end_alone():
    old = ALL | {"startTime": END}

    _, (error,) = validate_spec(old | {"endTime": START}, old)

    assert "move startTime as well" in error.message
