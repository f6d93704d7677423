"""A registry of packetcaptures over an embedded store of its own."""

from datetime import UTC, datetime
from itertools import count

import pytest

from apiserver.cluster.namespaces import EveryNamespace
from apiserver.pcap.compiler import FilterCompiler
from apiserver.registry.admission import Admission
from apiserver.registry.controls import Controls
from apiserver.registry.packetcaptures import PacketCaptureStrategy
from apiserver.registry.verbs import Registry
from apiserver.storage.interface import StoreUnavailableError
from apiserver.storage.sqlite.store import open_sqlite_store

NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)


class UnreliableStore:
    """A store whose next updates fail, as on a full disk."""

    def __init__(self, store):
        self._store = store
        self.failures = 0

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def update(self, key, value, *, expected):
        if self.failures:
            self.failures -= 1
            raise StoreUnavailableError("the disk is full")
        return await self._store.update(key, value, expected=expected)


@pytest.fixture
async def store(tmp_path):
    async with open_sqlite_store(tmp_path / "data", clock=lambda: NOW) as opened:
        yield UnreliableStore(opened)


@pytest.fixture
async def compiler():
    async with FilterCompiler() as compiler:
        yield compiler


@pytest.fixture
def registry(store, compiler):
    uids, suffixes = count(1), count(1)
    strategy = PacketCaptureStrategy(compiler)
    admission = Admission(
        strategy,
        namespaces=EveryNamespace(),
        controls=Controls(),
        clock=lambda: NOW,
        new_uid=lambda: f"uid-{next(uids)}",
        new_suffix=lambda: f"{next(suffixes):05}",
    )
    return Registry(store, strategy, admission, clock=lambda: NOW)
