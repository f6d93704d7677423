"""Fixtures of what takes its time: begun before the first test, and looked at by the last ones."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from tests.cluster.cluster import Cluster
from tests.conformance.doors import Door
from tests.conformance.early import (
    delete_full_namespace,
    hold_namespace_up,
    until_collected,
)
from tests.conformance.idle import asking_after_idling
from tests.conformance.quiet import QuietWatches, listening_at
from tests.conformance.server import Server
from tests.conformance.unread import Unread, not_reading


@pytest.fixture(scope="session")
def idling(server: Server, cluster: Cluster) -> Iterator[Future[int]]:
    """What is answered on a connection on which nothing has happened for 95 s (check 9)."""
    pair = cluster.authorities.cluster.issue("somebody")
    with asking_after_idling(server, pair, seconds=95) as answered:
        yield answered


@pytest.fixture(scope="session")
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for what goes on beside the tests."""
    with ThreadPoolExecutor(thread_name_prefix="early") as pool:
        yield pool


@pytest.fixture(scope="session")
def collector(pool: ThreadPoolExecutor, cluster: Cluster, server: Server) -> Future[None]:
    """The garbage collector, when it has collected a capture (checks 70, 71)."""
    return pool.submit(until_collected, cluster)


@pytest.fixture(scope="session")
def full(pool: ThreadPoolExecutor, cluster: Cluster, doors: Mapping[str, Door]) -> Future[float]:
    """How long it took until a namespace was gone with all its captures (check 73)."""
    return pool.submit(delete_full_namespace, cluster, doors["aggregated"])


@pytest.fixture(scope="session")
def held_up(pool: ThreadPoolExecutor, cluster: Cluster, server: Server) -> Future[dict[str, Any]]:
    """What a namespace said that was held up by a capture with a finalizer (check 73)."""
    return pool.submit(hold_namespace_up, cluster)


@pytest.fixture(scope="session")
def quiet(cluster: Cluster, doors: Mapping[str, Door]) -> Iterator[Mapping[str, QuietWatches]]:
    """Watches of namespaces where nothing happens, at each door (checks 82, 88)."""
    for namespace in ("quiet", *(f"slow-{name}" for name in doors)):
        cluster.kubectl("create", "namespace", namespace)
    with ExitStack() as stack:
        yield {name: stack.enter_context(listening_at(door)) for name, door in doors.items()}


@pytest.fixture(scope="session")
def unread(
    pool: ThreadPoolExecutor, cluster: Cluster, server: Server, doors: Mapping[str, Door]
) -> Iterator[Unread]:
    """Watchers that have not read what was written (check 85)."""
    cluster.kubectl("create", "namespace", "unread")
    with not_reading(server, doors["direct"], pool, "unread") as unread:
        yield unread
