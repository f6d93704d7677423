"""Expressions of users against tcpdump: the same are accepted, and let the same packets pass.

Those that tcpdump accepts and we do not are told, with the reason.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from apiserver.pcap.expressions import FilterError
from apiserver.pcap.program import open_filter
from apiserver.resource.expressions import expression_problem
from apiserver.resource.filters import packet_filter
from apiserver.resource.types import Filter
from tests.support.packets import frames
from tests.support.rules import ports, spec
from tests.support.savefiles import write_frames
from tests.support.verdicts import compiles, passing

TCP = 6
EXPRESSIONS = Path(__file__).with_name("expressions.txt").read_text().splitlines()

NAMES = "libpcap asks the resolver, and files of the machine it runs on"
SIDES = "means the opposite on the node's side of a link and on the pod's"
LOOPS = "libpcap makes a loop of it, which the kernel does not take"
# The expression, the word that is at fault, and why we refuse what tcpdump accepts (with a resolver).
REFUSED = [
    ("host localhost", "localhost", NAMES),
    ("host example.com", "example.com", NAMES),
    ("src example.com", "example.com", NAMES),
    ("host cafe", "cafe", NAMES),
    ("net loopback", "loopback", NAMES),
    ("port http", "http", NAMES),
    ("tcp port 80 or ssh", "ssh", NAMES),
    ("portrange ssh-http", "ssh-http", NAMES),
    ("proto \\tcp", "\\tcp", NAMES),
    ("ip proto \\icmp", "\\icmp", NAMES),
    ("ether proto \\arp", "\\arp", NAMES),
    ("ether host router", "router", NAMES),
    ("gateway router", "gateway", NAMES),
    ("host \\tcp", "\\tcp", NAMES),
    ("tcp port \\80", "\\80", "what follows a backslash is a name"),
    ("inbound", "inbound", SIDES),
    ("outbound and tcp", "outbound", SIDES),
    ("not inbound", "inbound", SIDES),
    ("ifindex 1", "ifindex", SIDES),
    ("ip6 protochain 6", "protochain", LOOPS),
    ("ip broadcast", "netmask", "which addresses are a pod's broadcasts is not known"),
    ("ether[0xfffff004] = 4", "0xfffff004", SIDES),
    ("ether[0xfffff004:2] = 4", "0xfffff004", SIDES),
    ("ip[0xfffff000:4] = 4", "0xfffff00e", SIDES),
    ("link[-4092:4] = 4", "-4092", SIDES),
    ("udp[-22:2] = 0x0800", "-8", "the kernel takes it and libpcap's own interpreter does not"),
    ("ip protochain 17", "protochain", LOOPS),
]
REFUSED_BY_NAME = pytest.mark.parametrize(
    ("expression", "word", "reason"), REFUSED, ids=[each[0] for each in REFUSED]
)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], frozenset[str]]:
    path = tmp_path_factory.mktemp("frames") / "frames.pcap"
    write_frames(path, frames().values())
    return lambda expression: passing(expression, path, frames())


def problem(expression: str) -> str:
    """Return why we refuse an expression; empty if we do not."""
    if found := expression_problem(expression):
        return found
    try:
        passed_by_us(Filter(expression=expression), {})
    except FilterError as error:
        return error.message
    return ""


def is_accepted(expression: str) -> bool:
    return not problem(expression)


def passed_by_us(rule: Filter, packets: dict[str, bytes]) -> frozenset[str]:
    with open_filter(packet_filter(spec(rule), {})) as program:
        return frozenset(name for name, frame in packets.items() if program.matches(frame))


def differences(
    rules: Iterable[tuple[Filter, str]], judge: Callable[[str], frozenset[str]]
) -> dict[str, list[str]]:
    """Return by expression the packets that tcpdump and we judge differently."""
    found = {text: passed_by_us(rule, frames()) ^ judge(text) for rule, text in rules}
    return {text: sorted(names) for text, names in found.items() if names}


def test_the_table_is_long_and_has_nothing_twice():
    assert len(set(EXPRESSIONS)) == len(EXPRESSIONS) >= 200


def test_an_expression_is_accepted_if_tcpdump_accepts_it_and_else_not():
    ours = {each: is_accepted(each) for each in EXPRESSIONS}

    assert ours == dict(zip(EXPRESSIONS, compiles(EXPRESSIONS), strict=True))


def test_an_accepted_expression_lets_pass_what_tcpdump_does(judge):
    accepted = [each for each in EXPRESSIONS if is_accepted(each)]

    assert len(accepted) > 150
    assert differences(((Filter(expression=each), each) for each in accepted), judge) == {}


def test_what_a_rule_says_besides_its_expression_narrows_it(judge):
    rules = {
        f"({each}) and tcp port 80": Filter(TCP, ports(80), expression=each)
        for each in EXPRESSIONS
        if is_accepted(each)
    }
    possible = [
        text for text, is_possible in zip(rules, compiles(list(rules)), strict=True) if is_possible
    ]

    assert len(possible) > 80
    assert differences(((rules[each], each) for each in possible), judge) == {}


@REFUSED_BY_NAME
def test_an_expression_that_is_refused_on_purpose(expression, word, reason):
    assert word in problem(expression), reason


def test_what_does_not_depend_on_names_is_refused_although_tcpdump_accepts_it():
    ours_alone = [text for text, _, reason in REFUSED if reason is not NAMES]

    assert all(compiles(ours_alone))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("tcp\0 port 80", id="C would end it there"),
        pytest.param("\ud800", id="no character"),
        pytest.param("tcp or " * 3000 + "tcp", id="too long"),
    ],
)
def test_text_that_no_command_could_be_given_is_refused(text):
    assert not is_accepted(text)
