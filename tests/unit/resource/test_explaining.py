"""What people read before they capture: whom it is about, and what is kept."""

import pytest

from apiserver.resource.explaining import (
    NO_PODS,
    filter_sentence,
    pods_by_name,
    pods_by_number,
)
from apiserver.resource.filters import CAPTURE_ALL, PacketFilter, packet_filter, stand_ins
from apiserver.resource.selector.parser import parse
from apiserver.resource.surroundings import SelectedPod
from apiserver.resource.types import Filter, NamedPort, PortRange, Spec
from apiserver.wire.warnings import warning_headers

NO_NODE = "it has no node yet"
NO_AGENT = "there is no agent on its node"


def pod(name, node="node-a", problem=""):
    return SelectedPod("shop", name, f"uid-{name}", node, problem)


WEB = (pod("web-2"), pod("web-3", "node-b"), pod("web-1"))
WEB_LISTED = "node-a: web-1, web-2; node-b: web-3"
PENDING = pod("web-4", "", NO_NODE)
ABANDONED = (pod("web-6", "node-c", NO_AGENT), pod("web-5", "node-c", NO_AGENT))
PROXY = pod("proxy-1")
HOST = "does not capture pods with hostNetwork, whose traffic is their node's"


@pytest.mark.parametrize(
    ("selected", "host_network", "by_name", "by_number"),
    [
        pytest.param(
            WEB,
            (),
            [f"selects 3 pods: {WEB_LISTED}"],
            ["selects 3 pods on 2 nodes"],
            id="on two nodes",
        ),
        pytest.param(
            WEB[:1], (), ["selects 1 pod: node-a: web-2"], ["selects 1 pod on 1 node"], id="one"
        ),
        pytest.param((), (), [NO_PODS], [NO_PODS], id="none"),
        pytest.param(
            (*WEB, PENDING, *ABANDONED),
            (),
            [
                f"selects 6 pods: {WEB_LISTED}; node-c: web-5, web-6; without a node: web-4",
                f"cannot be captured now: {NO_NODE}: web-4; {NO_AGENT}: web-5, web-6",
            ],
            ["selects 6 pods on 3 nodes", "cannot be captured now: 3 pods"],
            id="some cannot be captured",
        ),
        pytest.param(
            (),
            (PROXY,),
            [NO_PODS, f"{HOST}: node-a: proxy-1"],
            [NO_PODS, f"{HOST}: 1 pod"],
            id="only such as use their node's network",
        ),
    ],
)
def test_pods(selected, host_network, by_name, by_number):
    assert list(pods_by_name(selected, host_network)) == by_name
    assert list(pods_by_number(selected, host_network)) == by_number


def test_the_order_of_pods_does_not_matter():
    pods = [*WEB, PENDING, *ABANDONED]

    assert list(pods_by_name(pods, pods)) == list(pods_by_name(pods[::-1], pods[::-1]))


def test_twenty_names_of_a_node_are_enough():
    (sentence,) = pods_by_name([pod(f"w-{i:02}") for i in range(23)], ())

    assert sentence.startswith("selects 23 pods: node-a: w-00, w-01, ")
    assert sentence.endswith(", w-19 and 3 more")


def test_many_nodes_are_cut_short_and_counted():
    pods = [pod(f"web-{i:04}", f"node-{i:04}") for i in range(5000)]

    (sentence,) = pods_by_name(pods, ())

    shown = sentence.count("node-")
    assert sentence.endswith(f"; and {5000 - shown} more pods")
    assert len(sentence) < 1300


def test_all_together_are_sent_whole_however_long_names_are():
    long = [
        pod("p" * 240 + f"-{i}-{j}", "n" * 240 + f"-{i}", NO_AGENT)
        for i in range(9)
        for j in range(30)
    ]
    rules = tuple(Filter(6, (NamedPort(f"port-{i:010}"),)) for i in range(128))
    names = stand_ins(rules)
    spoken = [
        *pods_by_name(long, long),
        filter_sentence(packet_filter(spec(*rules), names), names, 4000),
    ]

    headers = warning_headers(spoken)

    assert len(headers) == len(spoken)
    assert sum(map(len, spoken)) < 4096


def spec(*rules, **members):
    return Spec(parse("all()"), rules, None, None, **members)


def sentence(*rules, instructions=12, **members):
    names = stand_ins(rules)
    return filter_sentence(packet_filter(spec(*rules, **members), names), names, instructions)


def ports(*numbers):
    return tuple(PortRange(each, each) for each in numbers)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param(sentence(), "filter: none, all packets are captured", id="none"),
        pytest.param(
            sentence(Filter(6, ports(80))), "filter: tcp port 80 (12 instructions)", id="a port"
        ),
        pytest.param(
            sentence(Filter(6, ports(80)), instructions=1),
            "filter: tcp port 80 (1 instruction)",
            id="one instruction",
        ),
        pytest.param(
            sentence(Filter(6, ports(80)), instructions=None),
            "filter: tcp port 80",
            id="nobody counted",
        ),
        pytest.param(
            sentence(headers_only=True),
            "filter: all packets, headers only (12 instructions)",
            id="headers only",
        ),
        pytest.param(
            sentence(Filter(6, (NamedPort("http"), NamedPort("http")))),
            'filter: tcp port http (12 instructions); port "http" is what each pod\'s containers '
            "call so",
            id="a named port",
        ),
        pytest.param(
            sentence(Filter(6, (NamedPort("http"), *ports(65535)))),
            'filter: tcp port http or tcp port 65535 (12 instructions); port "http" is what each '
            "pod's containers call so",
            id="a named port beside the last number",
        ),
        pytest.param(
            sentence(Filter(expression="tcp and\n\tport 65535"), Filter(17, (NamedPort("dns"),))),
            "filter: ((tcp and port 65535)) or (udp port dns) (12 instructions); port "
            '"dns" is what each pod\'s containers call so',
            id="an expression of two lines",
        ),
    ],
)
def test_the_filter_is_said_in_one_line(said, expected):
    assert said == expected


def test_what_captures_all_has_no_program_worth_a_number():
    assert filter_sentence(CAPTURE_ALL, {}, 1) == "filter: none, all packets are captured"
    assert filter_sentence(PacketFilter(snap_length=96), {}, 5) == (
        "filter: all packets, at most 96 bytes of each (5 instructions)"
    )
