"""Manifests that are refused, by the thousands and of the largest sort: in time, and without a trace."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.rawhttp import RawConnection, raw_connection, request_text, usage
from tests.support.server import Installation, Server, install, serving

COLLECTION = "/apis/projectcalico.org/v3/namespaces/bad/packetcaptures"

WARM_UP = 2_500
MANIFESTS = 10_000
CONNECTIONS = 4
MAX_GROWTH_BYTES = 8 << 20
MAX_SECONDS = 1.0
ATTEMPTS = 3


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return install(tmp_path_factory.mktemp("installation"))


@pytest.fixture(scope="module")
def server(installation: Installation) -> Iterator[Server]:
    with serving(installation) as running:
        yield running


def bad_spec(number: int) -> dict[str, Any]:
    """Return one of several sorts of bad specs; no two are the same."""
    sorts: list[dict[str, Any]] = [
        {"selector": f"app{number} ="},
        {"filters": [{"protocol": f"tcp{number}", "ports": [0, f"x_{number}"]}]},
        {"filters": [{"srcNets": [f"10.0.{number % 256}.{number // 256}/8"]}] * 20},
        {"filters": [{"expression": f"tcp port {number + 1} and udp ("}]},
        {"limits": {"bytes": f"{number}MB", "duration": f"{number}d"}},
        {"selector": "(" * (number % 500 + 1), "snapLength": -number},
        {"filters": [{"ports": [number % 65_535 + 1] * 200}]},
    ]
    return sorts[number % len(sorts)]


def post(spec: Any, name: str = "bad") -> bytes:
    """Return the request that creates a capture, as a dry run."""
    body = json.dumps({"metadata": {"name": name}, "spec": spec}).encode()
    headers = {"Content-Type": "application/json"}
    return request_text("POST", f"{COLLECTION}?dryRun=All", body, headers=headers)


async def refused(connection: RawConnection, numbers: range) -> None:
    """Send bad manifests, one after the other."""
    for number in numbers:
        answer = await connection.ask(post(bad_spec(number), f"bad-{number}"))
        assert answer.code in {400, 422}, answer.body


@pytest.mark.timeout(180)
async def test_after_ten_thousand_bad_manifests_memory_is_what_it_was(installation, server):
    tls = installation.client(installation.layout.admin)

    async def send(numbers: range) -> int:
        async with asyncio.TaskGroup() as group:
            for first in range(CONNECTIONS):
                group.create_task(part(numbers[first::CONNECTIONS]))
        return usage(server.process.pid).resident_bytes

    async def part(numbers: range) -> None:
        async with raw_connection(server.url, tls) as connection:
            await refused(connection, numbers)

    warm = await send(range(WARM_UP))
    after = await send(range(WARM_UP, WARM_UP + MANIFESTS))

    assert after - warm < MAX_GROWTH_BYTES


def addresses(count: int) -> list[str]:
    return [f"10.{i % 256}.{i // 256}.0/24" for i in range(count)]


LARGEST: dict[str, Any] = {
    "rules": [{"protocol": i % 255 + 1, "dstNets": [net]} for i, net in enumerate(addresses(128))],
    "ports": [{"ports": [f"{2 * i + 1}:{2 * i + 2}" for i in range(128)]}],
    "ports and networks": [
        {"ports": [*range(1, 129)], "srcNets": addresses(64), "dstNets": addresses(64)}
    ],
    "all of it": [
        {
            "ports": [f"{i + 1}:{i + 500}"],
            "srcNets": [net],
            "direction": "In",
            "tcpFlags": ["SYN+!ACK"],
            "expression": f"greater {i} and tcp[{i % 60}:4] = {i} or ip6 net fd00:{i:x}::/32",
        }
        for i, net in enumerate(addresses(128))
    ],
    "an expression": [
        {"expression": " or ".join(f"tcp portrange {i}-{i + 9}" for i in range(1, 600))}
    ],
    "the worst for libpcap": [
        {
            "expression": " or ".join(
                f"portrange {i}-{i + 1} or ip6 net fd00:{i:x}::/33" for i in range(350)
            )
        }
    ],
    "the worst for libpcap, in many rules": [
        {"expression": " or ".join(f"portrange {i}-{i + j}" for i in range(1, 7))}
        for j in range(128)
    ],
    "a deep expression": [{"expression": "not (" * 2_000 + "tcp" + ")" * 2_000}],
}


async def quickest(installation: Installation, server: Server, spec: dict[str, Any]) -> float:
    """Return the seconds that an answer takes, the least of some: others use the machine as well."""
    tls = installation.client(installation.layout.admin)
    taken = []
    async with raw_connection(server.url, tls) as connection:
        for attempt in range(ATTEMPTS):
            # What was answered once is remembered, so no two are the same.
            request = post(spec | {"snapLength": attempt + 1})
            began = time.monotonic()
            answer = await connection.ask(request)
            taken.append(time.monotonic() - began)
            assert answer.code in {201, 400, 422}, answer.body
    return min(taken)


@pytest.mark.parametrize("filters", LARGEST.values(), ids=LARGEST)
async def test_the_largest_legal_filters_are_answered_within_a_second(
    installation, server, filters
):
    assert await quickest(installation, server, {"filters": filters}) < MAX_SECONDS


HALF_A_MEGABYTE = 512 << 10

HUGE: dict[str, Any] = {
    "a selector": {"selector": " && ".join(["has(a)"] * (HALF_A_MEGABYTE // 10))},
    "a selector of a quarter": {"selector": " && ".join(["has(a)"] * 26_000)},
    "rules": {"filters": [{"protocol": "TCP", "ports": [80]}] * 12_000},
    "ports": {"filters": [{"ports": [*range(1, 60_000), *range(1, 30_000)]}]},
    "networks": {"filters": [{"srcNets": ["10.0.0.0/8"] * 30_000}]},
    "an expression": {"filters": [{"expression": "tcp or " * 70_000}]},
    "a name of a port": {"filters": [{"ports": ["x" * HALF_A_MEGABYTE]}]},
    "a size": {"limits": {"bytes": "9" * HALF_A_MEGABYTE}},
    "a duration": {"limits": {"duration": "1h" * (HALF_A_MEGABYTE // 2)}},
    "flags": {"filters": [{"tcpFlags": ["SYN+" * (HALF_A_MEGABYTE // 4)]}]},
    "a network": {"filters": [{"srcNets": ["1" * HALF_A_MEGABYTE]}]},
    "fields that nobody knows": {f"x{i}": i for i in range(30_000)},
}


@pytest.mark.parametrize("spec", HUGE.values(), ids=HUGE)
async def test_a_manifest_of_half_a_megabyte_is_answered_within_a_second(
    installation, server, spec
):
    assert await quickest(installation, server, spec) < MAX_SECONDS
