"""A server in the place of the shared one, which a test stops and starts, and whose data it has."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from apiserver.registry.documents import Documents
from apiserver.registry.packetcaptures import PACKET_CAPTURES
from apiserver.serving.clock import utc_now
from apiserver.storage.keys import KeySpace
from apiserver.storage.sqlite.store import open_sqlite_store
from tests.cluster.cluster import Cluster
from tests.cluster.ready import until_ready
from tests.conformance.doors import MASTERS, Door, open_doors
from tests.conformance.server import NAMESPACE, Server, endpoints, open_server
from tests.support.client import Client, capture, collection

# The namespace of what such a server has from the start.
CROWD = "crowd"

_WAITS = "waiting for the data directory"
_KEYS = KeySpace(PACKET_CAPTURES.group, PACKET_CAPTURES.plural)


class Substitute:
    """Its data are in `directory`, and outlive each process that serves them."""

    def __init__(self, cluster: Cluster, shared: Server, directory: Path, port: int) -> None:
        self._cluster = cluster
        self._shared = shared
        self._directory = directory
        self._data = directory / "data"
        self._port = port

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[Mapping[str, Door]]:
        """Run it for as long as the block lasts; both doors lead to it."""
        async with self._process() as server:
            await self.until_ready(server)
            yield open_doors(self._cluster, server, server.directory)

    @asynccontextmanager
    async def waiting(self) -> AsyncGenerator[Server]:
        """Run the next one while one serves; entering returns when it waits for the data."""
        async with self._process() as server:
            await asyncio.to_thread(until_ready, server, lambda: _WAITS in server.log.read_text())
            yield server

    async def until_ready(self, server: Server) -> None:
        """Return when the server serves."""
        pair = self._cluster.authorities.cluster.issue("admin", organizations=[MASTERS])
        await asyncio.to_thread(server.until_ready, pair, but={"apiservice"})

    async def take_place(self, client: Client) -> None:
        """Have kube-apiserver ask it instead of the shared one; return when this client of it sees that."""
        self._cluster.apply(endpoints(self._shared.address, self._port), namespace=NAMESPACE)
        async with asyncio.timeout(30):
            while (await client.get(collection(CROWD, _name(0)))).code != 200:
                pass

    @asynccontextmanager
    async def _process(self) -> AsyncGenerator[Server]:
        with ExitStack() as stack:
            server = stack.enter_context(
                open_server(
                    self._cluster,
                    Path(tempfile.mkdtemp(dir=self._directory)),
                    f"--data-dir={self._data}",
                    authority=self._shared.authority,
                    port=self._port,
                )
            )
            try:
                yield server
            finally:
                # Whoever is connected sees the end at once, and not when it is over.
                await asyncio.to_thread(stack.close)

    async def fill(self, count: int) -> None:
        """While it does not run: put captures into its data, at least one, all of CROWD."""
        documents = Documents(PACKET_CAPTURES)
        async with open_sqlite_store(self._data, clock=utc_now) as store:
            for number in range(count):
                document = _stored(_name(number))
                await store.create(_KEYS.key(CROWD, _name(number)), documents.encode(document))

    async def forget(self) -> list[tuple[str, str, str]]:
        """While it does not run: delete every other capture, and forget how all came about.

        Returns namespace, name and uid of those that are gone.
        """
        async with open_sqlite_store(self._data, clock=utc_now) as store:
            gone = (await store.list(_KEYS.prefix)).items[::2]
            for each in gone:
                await store.delete(each.key, expected=each.revision)
            await store.compact(await store.current_revision())
        return [(*_KEYS.parse(it.key), orjson.loads(it.value)["metadata"]["uid"]) for it in gone]


def _name(number: int) -> str:
    return f"crowd-{number}"


def _stored(name: str) -> dict[str, Any]:
    document = capture(name)
    made = {
        "namespace": CROWD,
        "uid": name,
        "generation": 1,
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    return document | {"metadata": document["metadata"] | made}
