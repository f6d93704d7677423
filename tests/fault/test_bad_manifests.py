"""Manifests that are refused, by the thousands and of the largest sort: in time, and without a trace."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.manifests import HUGE, LARGEST, bad_spec
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


@pytest.mark.parametrize("spec", HUGE.values(), ids=HUGE)
async def test_a_manifest_of_half_a_megabyte_is_answered_within_a_second(
    installation, server, spec
):
    assert await quickest(installation, server, spec) < MAX_SECONDS
