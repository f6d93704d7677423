"""Known packets in, exact packets out: per kind of network, filter, direction and side of the link."""

import asyncio
from typing import Final

import pytest

from apiserver.jsontypes import JsonObject
from nodeagent.discovery.endpoints import HostTap
from tests.node.loop import Agent, endpoint
from tests.node.loop import capture as capture_object
from tests.node.podside import inhabited
from tests.support import tshark
from tests.support.netns import NOISE_PORT, PORT
from tests.support.topologies import FAR_ADDRESS, POD_ADDRESS, open_ends, read_datagrams

ENDED = "2026-01-02T15:00:00Z"
IN, OUT = list(range(100)), list(range(1000, 1100))
NOISE_IN, NOISE_OUT = list(range(2000, 2050)), list(range(3000, 3050))

# The rules of a filter, and what passes them.
FILTERS: Final[dict[str, tuple[list[JsonObject], list[int]]]] = {
    "all": ([], [*IN, *OUT, *NOISE_IN, *NOISE_OUT]),
    "protocol": ([{"protocol": "UDP"}], [*IN, *OUT, *NOISE_IN, *NOISE_OUT]),
    "other-protocol": ([{"protocol": "TCP"}], []),
    "port": ([{"protocol": "UDP", "ports": [PORT]}], [*IN, *OUT]),
    "in": ([{"direction": "In"}], [*IN, *NOISE_IN]),
    "out": ([{"direction": "Out"}], [*OUT, *NOISE_OUT]),
    "port-in": ([{"protocol": "UDP", "ports": [PORT], "direction": "In"}], IN),
    "port-out": ([{"protocol": "UDP", "ports": [NOISE_PORT], "direction": "Out"}], NOISE_OUT),
    "source": ([{"srcNets": [f"{FAR_ADDRESS}/32"]}], [*IN, *NOISE_IN]),
    "destination-out": (
        [{"dstNets": [f"{FAR_ADDRESS}/32"], "direction": "Out"}],
        [*OUT, *NOISE_OUT],
    ),
    "destination-in": ([{"dstNets": [f"{FAR_ADDRESS}/32"], "direction": "In"}], []),
    "expression": (
        [{"expression": f"udp dst port {NOISE_PORT} and src host {POD_ADDRESS}"}],
        NOISE_OUT,
    ),
    "either": (
        [
            {"protocol": "UDP", "ports": [PORT], "direction": "In"},
            {"expression": f"port {NOISE_PORT}", "direction": "Out"},
        ],
        [*IN, *NOISE_OUT],
    ),
}


def objects(generation: int, **spec) -> list[JsonObject]:
    """Return a capture for each filter."""
    made = []
    for name, (rules, _) in FILTERS.items():
        each = capture_object(uid=name, generation=generation, filters=rules, **spec)
        each["metadata"]["name"] = name
        made.append(each)
    return made


async def until_all(agent: Agent, states: set[str]) -> None:
    await agent.reported.until(
        lambda it: (
            it.newest.keys() == FILTERS.keys()
            and {one.state for each in it.newest.values() for one in each.endpoints} <= states
        )
    )


@pytest.mark.parametrize(
    ("kind", "sides"),
    [
        pytest.param("veth to the node", {"host", "pod"}, id="veth"),
        pytest.param("bridge", {"host", "pod"}, id="bridge"),
        pytest.param("ptp", {"host", "pod"}, id="ptp"),
        pytest.param("macvlan", {"pod"}, id="macvlan"),
    ],
)
async def test_exactly_what_passes_a_filter_is_in_its_files(
    agent: Agent, kind: str, sides: set[str]
):
    with open_ends(kind) as ends, inhabited(ends.pod) as inhabitant:
        taps = {"host": (ends.pod.interface, HostTap(ends.pod.index()))} | {
            "pod": ("eth0", inhabitant.tap())
        }
        agent.set_links(ends.pod)
        agent.reconciler.set_endpoints(
            tuple(endpoint(name, tap=tap) for name, tap in (taps[side] for side in sides))
        )
        agent.apply(*objects(1))
        await until_all(agent, {"WaitingForTraffic"})

        await asyncio.to_thread(ends.send_in, IN)
        await asyncio.to_thread(ends.send_out, OUT)
        await asyncio.to_thread(ends.send_in, NOISE_IN, NOISE_PORT)
        await asyncio.to_thread(ends.send_out, NOISE_OUT, NOISE_PORT)
        agent.apply(*objects(2, endTime=ENDED))
        await until_all(agent, {"Finished"})

    files = {
        (name, side): agent.root / "shop" / name / f"web_{taps[side][0]}.pcap"
        for name in FILTERS
        for side in sides
    }
    found = {each: read_datagrams(file) for each, file in files.items()}
    assert found == {(name, side): FILTERS[name][1] for name, side in files}
    assert all(tshark.count_packets(file) == len(found[each]) for each, file in files.items())
    for name, report in agent.reported.newest.items():
        assert {each.packets for each in report.endpoints} == {len(FILTERS[name][1])}
        assert all(each.is_lossless for each in report.endpoints)
