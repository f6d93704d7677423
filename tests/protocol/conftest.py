from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import aiohttp
import pytest

from tests.support.client import Client
from tests.support.server import Installation, Server, install, serving
from tests.support.session import open_session


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return install(tmp_path_factory.mktemp("installation"))


@pytest.fixture(scope="session")
def server(installation: Installation) -> Iterator[Server]:
    with serving(installation) as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as opened:
        yield opened


@pytest.fixture
def admin(session: aiohttp.ClientSession, server: Server, installation: Installation) -> Client:
    return Client(session, server.url, installation.client(installation.layout.admin))


@pytest.fixture
def namespace() -> str:
    """A namespace that no other test has: without a cluster, every namespace exists."""
    return f"t-{uuid4().hex[:8]}"
