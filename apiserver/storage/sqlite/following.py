"""The changes of one watch: those that the log holds already, then those that are published."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias, final

from apiserver.storage.fanout import Subscription
from apiserver.storage.interface import Change, CompactedError, Revision, WatchOverrunError


@dataclass(frozen=True, slots=True)
class History:
    """All changes under a prefix from some revision on up to `until`."""

    changes: Sequence[Change]
    until: Revision
    is_present: bool


# Reads the history after a revision, or its beginning. Raises `CompactedError`.
ReadHistory: TypeAlias = Callable[[Revision], Awaitable[History]]


@final
class Following:
    """`Changes` of the embedded store.

    The subscription must be older than the first page of history: what is committed after that was
    read is in its buffer, so nothing is missed, and what is in both is dropped by its revision.
    """

    def __init__(
        self, first: History, read: ReadHistory, news: Subscription, *, after: Revision
    ) -> None:
        self._first: History | None = first
        self._read = read
        self._news = news
        self._passed = after
        self._is_present = False

    @property
    def passed(self) -> Revision:
        """See `Changes`."""
        return max(self._passed, self._news.passed) if self._is_present else self._passed

    def __aiter__(self) -> Self:
        """Iterate."""
        return self

    async def __anext__(self) -> Sequence[Change]:
        """Raises `WatchOverrunError`, also where compaction overtakes the reading of history."""
        changes: Sequence[Change] = ()
        while not self._is_present and not changes:
            changes = await self._next_page()
        while not changes:
            changes = await self._news.next()
            if changes[0].revision <= self._passed:
                changes = [each for each in changes if each.revision > self._passed]
        self._passed = max(self._passed, changes[-1].revision)
        return changes

    async def _next_page(self) -> Sequence[Change]:
        try:
            page = self._first or await self._read(self._passed)
        except CompactedError as error:
            raise WatchOverrunError(f"history was compacted while being read: {error}") from error
        self._first = None
        # A watch may begin in the future.
        self._passed = max(self._passed, page.until)
        self._is_present = page.is_present
        return page.changes
