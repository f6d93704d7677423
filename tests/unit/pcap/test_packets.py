"""Programs against the documented meaning of rules, on hundreds of packets of every kind.

The judge is `tests.support.meaning`, which knows nothing of programs; what an `expression` lets pass
it has from tcpdump.
"""

from dataclasses import replace
from functools import cache, lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.pcap.expressions import FilterError
from apiserver.pcap.program import open_filter
from apiserver.resource.filters import NoMatchError, packet_filter
from apiserver.resource.types import Direction, Filter, NamedPort, PortRange, Spec, TCPFlags
from tests.support.meaning import Expression, is_wanted, kept
from tests.support.packets import frames
from tests.support.rules import EXPRESSIONS, PORT_NAMES, RULES, nets, spec
from tests.support.verdicts import judged_expressions


@cache
def judged_by_tcpdump() -> dict[str, Expression]:
    return judged_expressions(frames().values())


@lru_cache(256)
def meant(wanted: Spec, direction: Direction) -> dict[str, int]:
    """Return how many bytes of which frames a capture has, as its rules mean it."""
    return {
        name: kept(frame, wanted)
        for name, frame in frames().items()
        if is_wanted(
            *(frame, wanted, direction),
            named_ports=PORT_NAMES,
            expressions=judged_by_tcpdump(),
        )
    }


def done(
    wanted: Spec, direction: Direction, *, outgoing_is: Direction = Direction.IN
) -> dict[str, int]:
    """Return how many bytes of which frames its program keeps."""
    try:
        packets = packet_filter(wanted, PORT_NAMES)
    except NoMatchError:
        return {}
    is_outgoing = direction is outgoing_is
    with open_filter(packets, outgoing_is=outgoing_is) as program:
        return {
            name: min(program.kept(frame, is_outgoing=is_outgoing), len(frame))
            for name, frame in frames().items()
            if program.matches(frame, is_outgoing=is_outgoing)
        }


DIRECTIONS = pytest.mark.parametrize("direction", Direction)
RULES_BY_NAME = pytest.mark.parametrize("rules", RULES.values(), ids=RULES)


def test_the_packets_differ_and_are_many():
    assert len(set(frames().values())) == len(frames()) >= 300


@DIRECTIONS
@pytest.mark.parametrize(
    "rules",
    [
        pytest.param((), id="no rules"),
        pytest.param((Filter(),), id="a rule that says nothing"),
        pytest.param((Filter(6), Filter(), Filter(expression="udp")), id="one among others"),
    ],
)
def test_what_is_not_narrowed_is_kept_whole(rules, direction):
    assert done(spec(*rules), direction) == {name: len(each) for name, each in frames().items()}


@pytest.mark.parametrize("outgoing_is", Direction)
@DIRECTIONS
@RULES_BY_NAME
def test_a_program_does_what_its_rules_mean(rules, direction, outgoing_is):
    wanted = spec(*rules)

    assert done(wanted, direction, outgoing_is=outgoing_is) == meant(wanted, direction)


@RULES_BY_NAME
def test_each_rule_of_the_table_refuses_some_packets(rules):
    packets = [meant(spec(*rules), direction) for direction in Direction]

    assert any(len(each) < len(frames()) for each in packets)


@DIRECTIONS
def test_what_is_kept_of_a_packet_ends_with_its_headers(direction):
    wanted = spec(headers_only=True)

    assert done(wanted, direction) == meant(wanted, direction)


@pytest.mark.parametrize("headers_only", [False, True], ids=["whole", "headers"])
@pytest.mark.parametrize("snap_length", [1, 14, 40, 54, 66, 262_144])
def test_no_more_is_kept_of_a_packet_than_the_snap_length(snap_length, headers_only):
    wanted = spec(*RULES["rules"], snap_length=snap_length, headers_only=headers_only)

    assert done(wanted, Direction.IN) == meant(wanted, Direction.IN)


@RULES_BY_NAME
def test_what_is_kept_does_not_change_what_a_rule_lets_pass(rules):
    wanted = spec(*rules, headers_only=True)

    assert done(wanted, Direction.OUT) == meant(wanted, Direction.OUT)


numbers = st.sampled_from([1, 2, 53, 67, 79, 80, 81, 443, 999, 1000, 1005, 4789, 40000, 65535])
ranges = st.tuples(numbers, numbers).map(lambda ends: PortRange(min(ends), max(ends)))
names = st.sampled_from(["http", "dns", "odd", "nobody"]).map(NamedPort)
ports_of_rules = st.lists(
    ranges | numbers.map(lambda each: PortRange(each, each)) | names, max_size=4
)
net = st.sampled_from(
    nets(
        *("0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/24", "10.0.0.1/32", "192.0.2.0/24", "128.0.0.0/1"),
        *("::/0", "fd00::/8", "fd00::/64", "fd00::1/128", "fd00::/33", "2001:db8::/32", "::/96"),
    )
)
nets_of_rules = st.lists(net, max_size=3).map(tuple)
flags = st.builds(
    lambda named, present: TCPFlags(named & present, named & ~present),
    st.integers(1, 255),
    st.integers(0, 255),
)
# What validation lets through: ports, flags and types only with protocols that can have them.
transports = st.one_of(
    st.fixed_dictionaries({"protocol": st.sampled_from([None, 0, 1, 4, 6, 41, 44, 58, 136, 200])}),
    st.fixed_dictionaries(
        {"protocol": st.sampled_from([None, 6, 17, 132]), "ports": ports_of_rules.map(tuple)}
    ),
    st.fixed_dictionaries(
        {
            "protocol": st.just(6),
            "ports": ports_of_rules.map(tuple),
            "tcp_flags": st.lists(flags, min_size=1, max_size=3).map(tuple),
        }
    ),
    st.fixed_dictionaries(
        {
            "protocol": st.sampled_from([1, 58]),
            "icmp_type": st.sampled_from([0, 3, 8, 128, 135, 255]),
        }
    ),
)
rules_of_all_fields = st.builds(
    lambda transport, **others: Filter(**transport, **others),
    transports,
    src_nets=nets_of_rules,
    dst_nets=nets_of_rules,
    direction=st.sampled_from([None, *Direction]),
    expression=st.just("") | st.sampled_from(list(EXPRESSIONS)),
)


def rule_at_fault(error: FilterError, rules: list[Filter]) -> Filter:
    assert error.alternative is not None, error.message
    return rules[packet_filter(spec(*rules), PORT_NAMES).alternatives[error.alternative].rule]


def is_mixed(rule: Filter) -> bool:
    return bool(rule.expression) and replace(rule, expression="", direction=None) != Filter()


@settings(deadline=None, max_examples=100)
@given(
    rules=st.lists(rules_of_all_fields, min_size=1, max_size=6),
    direction=st.sampled_from(Direction),
    headers_only=st.booleans(),
    snap_length=st.sampled_from([0, 0, 20, 60]),
)
def test_a_program_does_what_any_rules_mean(rules, direction, headers_only, snap_length):
    wanted = spec(*rules, headers_only=headers_only, snap_length=snap_length)

    try:
        found = done(wanted, direction)
    except FilterError as error:
        # An expression that contradicts the rest of its rule.
        found = {}
        wanted = spec(rule_at_fault(error, rules))

    different = found.items() ^ meant(wanted, direction).items()
    # libpcap chooses what it reads, and what first, of `(expression) and (the rest)`: of a packet that
    # ends before that it may say otherwise.
    if any(map(is_mixed, rules)):
        different = {each for each in different if " bytes of " not in each[0]}
    assert different == set()
