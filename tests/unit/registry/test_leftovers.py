"""What is left in namespaces that are gone, and what must not be taken for that."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from apiserver.cluster.namespaces import NamespaceState, NamespaceUnknownError
from apiserver.jsontypes import JsonObject
from apiserver.registry.leftovers import MISSING_SECONDS, RETRY_SECONDS, Leftovers
from apiserver.registry.requests import Request
from apiserver.wire.body import Decoded
from apiserver.wire.writeoptions import FieldValidation, WriteOptions


class Namespaces:
    """A cluster's namespaces, as the test says; None is a cluster that is away."""

    def __init__(self, **states):
        self.states = states
        self.asked = []
        self._losses: asyncio.Queue[frozenset[str]] = asyncio.Queue()

    def lose(self, *names):
        """Tell that namespaces may have gone, and of some that their deletion was seen."""
        self._losses.put_nowait(frozenset(names))

    async def state_of(self, name):
        self.asked.append(name)
        state = self.states.get(name, NamespaceState.MISSING)
        if state is None:
            raise NamespaceUnknownError(name, "the cluster is away")
        return state

    async def next_loss(self):
        return await self._losses.get()


class Naps:
    """Sleeps that take no time; `naps` says when they begin."""

    def __init__(self):
        self.naps: asyncio.Queue[float] = asyncio.Queue()

    async def __call__(self, seconds):
        await self.naps.put(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def naps():
    return Naps()


@pytest.fixture
def running(registry, naps):
    @asynccontextmanager
    async def run(namespaces):
        clock = asyncio.get_running_loop().time
        leftovers = Leftovers(registry, namespaces, monotonic=clock, sleep=naps)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(leftovers.run())
            yield
            task.cancel()

    return run


async def create(registry, namespace, name="http"):
    document: JsonObject = {
        "apiVersion": "projectcalico.org/v3",
        "kind": "PacketCapture",
        "metadata": {"name": name},
    }
    options = WriteOptions(
        dry_run=False, field_manager="test", field_validation=FieldValidation.STRICT
    )
    await registry.create(namespace, Request(Decoded(document, ()), options))


async def until_deleted(registry, name):
    """Return when an object of this name is deleted, or at once if it was."""
    async with registry.store.watch(registry.reader.prefix(""), after=0) as changes:
        async for several in changes:
            if any(each.value is None and each.key.endswith(f"/{name}") for each in several):
                return


async def test_what_is_left_of_a_deleted_namespace_is_removed(registry, running):
    for namespace in ("gone", "there"):
        await create(registry, namespace)
    namespaces = Namespaces(there=NamespaceState.ACTIVE)

    async with asyncio.timeout(10), running(namespaces):
        namespaces.lose("gone")
        await until_deleted(registry, "http")

    assert await registry.reader.names() == {"there": ["http"]}


async def test_a_namespace_made_anew_by_then_keeps_what_is_in_it(registry, running):
    await create(registry, "gone", "kept")
    await create(registry, "other", "http")
    namespaces = Namespaces(gone=NamespaceState.ACTIVE)

    async with asyncio.timeout(10), running(namespaces):
        namespaces.lose("gone", "other")
        await until_deleted(registry, "http")

    assert await registry.reader.names() == {"gone": ["kept"]}


@pytest.mark.looptime
async def test_a_namespace_that_is_only_missing_is_given_five_minutes(registry, running):
    await create(registry, "missing")
    namespaces = Namespaces()
    clock = asyncio.get_running_loop().time

    async with running(namespaces):
        began = clock()
        namespaces.lose()
        await until_deleted(registry, "http")
        took = clock() - began

    assert took >= MISSING_SECONDS
    assert await registry.reader.names() == {}


async def test_while_the_cluster_is_away_nothing_is_removed(registry, running, naps):
    await create(registry, "unknown")
    namespaces = Namespaces(unknown=None)

    async with asyncio.timeout(10), running(namespaces):
        namespaces.lose("unknown")
        pauses = [await naps.naps.get() for _ in range(2)]

        assert pauses == [RETRY_SECONDS] * 2
        assert await registry.reader.names() == {"unknown": ["http"]}

        del namespaces.states["unknown"]
        await until_deleted(registry, "http")
