"""The promises of every store: bytes under keys, every change a revision of one ordered log.

Rules, the same for every backend (`tests/contract/test_store.py` holds them to it):

1. Each committed write has a revision of its own, greater than any before it, for ever. Even that
   of an empty store is greater than 0, which means "any" to clients.
2. A read of the present sees every write that was acknowledged before it began.
3. `list` is one snapshot: all its items as they were at its revision. Read in pages at that
   revision it is the same snapshot, whatever is written in between.
4. Writes compare and set: `create` wants no live key, `update` and `delete` the expected revision.
5. A watch gives every change after its start, once, in order, with the value before it. A consumer
   that falls too far behind is cut off with `WatchOverrunError`; the writer never waits for it.
6. History reaches back at least to the compacted revision; reads and watches below it raise
   `CompactedError`.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import NewType, Protocol

Revision = NewType("Revision", int)


@dataclass(frozen=True, slots=True)
class Stored:
    """A live key: its bytes, and the revision of the write that made them so."""

    key: str
    value: bytes
    revision: Revision


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Live keys under a prefix, ordered bytewise by key, at one revision.

    `remaining` of them follow the last item: 0 unless a limit cut them off.
    """

    revision: Revision
    items: tuple[Stored, ...]
    remaining: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the log. `value` is None where the key was deleted; `previous` where it was new."""

    revision: Revision
    key: str
    value: bytes | None
    previous: Stored | None

    @property
    def size(self) -> int:
        """The bytes of both values."""
        before = b"" if self.previous is None else self.previous.value
        return len(self.value or b"") + len(before)


class StoreError(Exception):
    """Anything that a store can answer instead of a value."""


class KeyExistsError(StoreError):
    """`create` found a live key."""

    def __init__(self, current: Stored) -> None:
        super().__init__(f"key {current.key} exists at revision {current.revision}")
        self.current = current


class RevisionConflictError(StoreError):
    """`update` or `delete` found another revision than expected, or (`current` None) no live key."""

    def __init__(self, key: str, current: Stored | None) -> None:
        at = f"is at revision {current.revision}" if current else "does not exist"
        super().__init__(f"key {key} {at}")
        self.key = key
        self.current = current


class CompactedError(StoreError):
    """The revision asked for is older than the history that is kept."""

    def __init__(self, asked: int, compacted: int) -> None:
        super().__init__(f"revision {asked} is compacted (history begins after {compacted})")
        self.asked = asked
        self.compacted = compacted


class FutureRevisionError(StoreError):
    """The revision asked for has not been written yet."""

    def __init__(self, asked: int, current: int) -> None:
        super().__init__(f"revision {asked} is ahead of {current}")
        self.asked = asked
        self.current = current


class WatchOverrunError(StoreError):
    """The consumer of a watch was too slow for its bounded buffer."""


class StoreUnavailableError(StoreError):
    """The store cannot answer now: closed, closing, its disk full or failing, its queue full."""


class Changes(Protocol):
    """What a watch iterates over: all the changes that there are at a time, oldest first."""

    def __aiter__(self) -> AsyncIterator[Sequence[Change]]:
        """Return itself."""

    async def __anext__(self) -> Sequence[Change]:
        """Wait for a change, and return it with those that are there already."""

    @property
    def passed(self) -> Revision:
        """How far the watch has come: no change up to here is still to be given out.

        It goes on with the store, whether or not anything happens under the watch's prefix.
        """


class Store(Protocol):
    """A key-value store with revisions. Every method may raise `StoreUnavailableError`."""

    @property
    def identity(self) -> str:
        """An id made once with the data: the same data, the same identity, for ever."""

    async def current_revision(self) -> Revision:
        """Return the revision of the last committed write."""

    async def reached(self, revision: int) -> None:
        """Return once a write of `revision`, or a later one, is committed; at once if one is."""

    async def get(self, key: str) -> Stored | None:
        """Return the live value of `key`, or None."""

    async def list(
        self, prefix: str, *, at: Revision | None = None, start: str = "", limit: int = 0
    ) -> Snapshot:
        """Return the live keys that begin with `prefix`, now or as they were at a revision.

        Those before `start`, a whole key, are left out, and what comes after the first `limit`
        (0: all) is only counted. Raises `CompactedError` or `FutureRevisionError` where `at` is out
        of reach.
        """

    async def create(self, key: str, value: bytes) -> Revision:
        """Write a new key. Raises `KeyExistsError`."""

    async def update(self, key: str, value: bytes, *, expected: Revision) -> Revision:
        """Replace the value that was written at `expected`. Raises `RevisionConflictError`."""

    async def delete(self, key: str, *, expected: Revision) -> Revision:
        """Remove the value that was written at `expected`. Raises `RevisionConflictError`."""

    def watch(self, prefix: str, *, after: Revision) -> AbstractAsyncContextManager[Changes]:
        """Follow all changes under `prefix` with a revision greater than `after`.

        Entering raises `CompactedError` if the log no longer reaches back to `after`. Iterating
        raises `WatchOverrunError` when this consumer is too slow and `StoreUnavailableError` when
        the store closes. A revision in the future just waits.
        """
