"""How many captures are not over, in all and in each namespace: counted as the store changes.

What is about to be written counts as well, from when it was let through (a claim) until its change
is seen here: so the count is never too low for this process, however many write at once. Other
replicas over the same store are seen as their writes are.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final, NoReturn, final

import orjson

from apiserver.jsontypes import JsonObject, object_at, text_at
from apiserver.registry.capping.tally import NEVER, Course, Tally, end_of
from apiserver.serving.clock import Clock
from apiserver.storage.interface import (
    Changes,
    KeyExistsError,
    Revision,
    RevisionConflictError,
    Store,
    StoreError,
)
from apiserver.storage.keys import KeySpace, next_start
from apiserver.wire.status import ApiError

log = logging.getLogger(__name__)

# For what was written to be seen here: milliseconds, unless the store fails. Later it is counted by
# what was seen last.
CATCH_UP_SECONDS: Final = 1.0

# A write that is not seen is counted for so long: its caller was cancelled, or the store did not
# answer, and nobody knows whether it will happen yet.
UNSEEN: Final = timedelta(seconds=10)

_RETRY_SECONDS: Final = 0.5
_PAGE_OBJECTS: Final = 500


@dataclass(slots=True, eq=False)
class _Claim:
    """A place for an object that is written over what was written at `after` (0: nothing)."""

    key: str
    uid: str
    after: Revision
    until: datetime = NEVER

    def is_met_by(self, course: Course | None) -> bool:
        """Tell whether this is what it was for."""
        if course is None or course.uid != self.uid:
            return False
        return course.revision > self.after


@final
class Running:
    """The count; see `counting_running`."""

    def __init__(self, store: Store, keys: KeySpace, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock
        self._tally = Tally()
        self._claims: set[_Claim] = set()
        self._position: Revision | None = None
        self._changes: Changes | None = None
        self._applied = asyncio.Event()

    def has_room(self, namespace: str, most: int) -> bool:
        """Tell whether one more is within `most` in a namespace (empty: in all)."""
        # Usually there is plenty, and nobody needs to know which claims are whose.
        at_most = self._tally.count(namespace, self._clock()) + len(self._claims)
        return at_most < most or self.count(namespace) < most

    def count(self, namespace: str) -> int:
        """Return how many run, or are about to, in a namespace (empty: in all)."""
        now = self._clock()
        prefix = self._keys.namespace_prefix(namespace) if namespace else self._keys.prefix
        claimed = {key for key in self._claimed(now) if key.startswith(prefix)}
        unseen = sum(not self._tally.runs(key, now) for key in claimed)
        return self._tally.count(namespace, now) + unseen

    def counts(self, key: str) -> bool:
        """Tell whether what is under a key is counted already."""
        now = self._clock()
        return self._tally.runs(key, now) or key in self._claimed(now)

    def _claimed(self, now: datetime) -> Iterator[str]:
        # As many as there are writes under way, and a few that are in doubt.
        self._claims = {each for each in self._claims if each.until > now}
        return (each.key for each in self._claims)

    @contextmanager
    def claim(self, key: str, uid: str, *, after: Revision) -> Iterator[None]:
        """Count what the block writes under a key, unless it is refused."""
        claim = _Claim(key, uid, after)
        self._claims.add(claim)
        try:
            yield
        except BaseException as error:
            if _is_refusal(error):
                self._claims.discard(claim)
            raise
        finally:
            claim.until = self._clock() + UNSEEN

    async def catch_up(self) -> None:
        """Wait until all is seen that was written before this call. Raises StoreError."""
        present = await self._store.current_revision()
        with suppress(TimeoutError):
            async with asyncio.timeout(CATCH_UP_SECONDS):
                while self._changes is None or self._changes.passed < present:
                    await self._applied.wait()

    async def load(self) -> None:
        """Begin with what there is. Raises StoreError."""
        tally, prefix = Tally(), self._keys.prefix
        page = await self._store.list(prefix, limit=_PAGE_OBJECTS)
        position = page.revision
        while True:
            for each in page.items:
                self._put(tally, each.key, each.value, each.revision)
            if not page.remaining:
                break
            start = next_start(page.items[-1].key)
            page = await self._store.list(prefix, at=position, start=start, limit=_PAGE_OBJECTS)
        self._tally, self._position = tally, position
        self._settle(each.key for each in tuple(self._claims))

    async def run(self, sleep: Callable[[float], Awaitable[None]]) -> NoReturn:
        """Follow the store, for ever; where it cuts us off, begin anew."""
        while True:
            try:
                await self._follow()
            except StoreError as error:
                log.warning("captures are counted anew", extra={"error": str(error)})
            self._changes = self._position = None
            await sleep(_RETRY_SECONDS)

    async def _follow(self) -> None:
        if self._position is None:
            await self.load()
        assert self._position is not None
        async with self._store.watch(self._keys.prefix, after=self._position) as changes:
            self._changes = changes
            self._tell()
            async for several in changes:
                for each in several:
                    self._put(self._tally, each.key, each.value, each.revision)
                    self._settle((each.key,))
                self._tell()

    def _tell(self) -> None:
        self._applied.set()
        self._applied = asyncio.Event()

    def _put(self, tally: Tally, key: str, value: bytes | None, revision: Revision) -> None:
        namespace, _ = self._keys.parse(key)
        course = None
        if value is not None:
            document: JsonObject = orjson.loads(value)
            uid = text_at(object_at(document, "metadata"), "uid")
            course = Course(uid, revision, end_of(document))
        tally.put(key, namespace, course)

    def _settle(self, keys: Iterable[str]) -> None:
        """Give up the claims on what is seen."""
        for key in keys if self._claims else ():
            course = self._tally.find(key)
            met = {each for each in self._claims if each.key == key and each.is_met_by(course)}
            self._claims -= met


def _is_refusal(error: BaseException) -> bool:
    """Tell whether a write has certainly not happened, and will not."""
    if isinstance(error, ApiError):
        return error.code < HTTPStatus.INTERNAL_SERVER_ERROR
    return isinstance(error, KeyExistsError | RevisionConflictError)


@asynccontextmanager
async def counting_running(
    store: Store,
    keys: KeySpace,
    *,
    clock: Clock,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncGenerator[Running]:
    """Keep the count for as long as the block lasts. Entering raises StoreError."""
    running = Running(store, keys, clock)
    await running.load()
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(running.run(sleep))
        yield running
        following.cancel()
