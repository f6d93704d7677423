"""A cluster that remembers, clients of it, and a time that stands still."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from apiserver.cluster.authority import Lifetimes
from apiserver.cluster.keeping import Keeper, State
from apiserver.upstream.client import open_client
from tests.fakes.cluster_api import ClusterAPI, serving
from tests.fakes.kubernetes_api import write_kubeconfig
from tests.fakes.time import FakeTime


@pytest.fixture
async def api():
    async with serving(ClusterAPI()) as running:
        yield running


@pytest.fixture
async def open_another(api, tmp_path):
    """Open one more client, as another process would."""
    config = write_kubeconfig(tmp_path / "config", api.url)
    async with AsyncExitStack() as stack:

        async def another():
            return await stack.enter_async_context(open_client(config))

        yield another


@pytest.fixture
async def client(open_another):
    return await open_another()


@pytest.fixture
def time():
    return FakeTime()


@pytest.fixture
def lifetimes():
    return Lifetimes(authority=timedelta(days=80), certificate=timedelta(days=10))


async def seen(keeper: Keeper, condition: Callable[[State], bool]) -> State:
    """Wait until there is this to say about a keeper."""
    async with asyncio.timeout(20):
        state = await keeper.state.next_after(None)
        while not condition(state):
            state = await keeper.state.next_after(state)
    return state


@pytest.fixture
def until():
    """How tests wait for a keeper to say something."""
    return seen


@pytest.fixture
def fine():
    """Wait until a keeper has nothing to say."""

    async def wait(keeper: Keeper) -> None:
        await seen(keeper, lambda state: not state.problem and not state.warning)

    return wait
