"""When each node's agent was last heard of, and when one has not been for too long (DESIGN 9.1).

In memory: a server that has just begun counts everybody as heard of at its start, which the next
minute puts right.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, final

from apiserver.serving.clock import Clock

# An agent reports every 20 seconds, be it nothing: two reports may be lost.
SILENCE_SECONDS: Final = 60.0

# In the place of a node's name: all that this server has never heard of.
UNHEARD: Final = "*"

# Nodes come and go; who has been silent longest is forgotten first.
_MOST_NODES = 20_000


@dataclass(frozen=True, slots=True)
class _Heard:
    """When, by the clock that never steps and by that of the wall."""

    monotonic: float
    at: datetime


@final
class Heartbeats:
    """Who was heard of when; `next_change` is for one task."""

    def __init__(
        self,
        *,
        clock: Clock,
        monotonic: Callable[[], float],
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._silence_seconds = silence_seconds
        self._start = _Heard(monotonic(), clock())
        # In the order of when they were heard of last: who is silent comes first. Like everyone that
        # this server has not heard of yet, `UNHEARD` was heard of at its start.
        self._heard: dict[str, _Heard] = {UNHEARD: self._start}
        self._silent: set[str] = set()
        self._back: set[str] = set()
        self._changed = asyncio.Event()

    def heard(self, node: str) -> None:
        """Note that a node's agent has spoken."""
        # Who speaks for the first time may have been silent for the server before this one.
        if node in self._silent or node not in self._heard:
            self._back.add(node)
            self._changed.set()
        self._silent.discard(node)
        self._heard.pop(node, None)
        self._heard[node] = _Heard(self._monotonic(), self._clock())
        if len(self._heard) > _MOST_NODES:
            oldest = next(each for each in self._heard if each != UNHEARD)
            del self._heard[oldest]
            self._silent.discard(oldest)

    def silent_since(self, node: str) -> datetime | None:
        """Return when a node was last heard of, None if that is not too long ago."""
        last = self._heard.get(node, self._start)
        if self._monotonic() - last.monotonic < self._silence_seconds:
            return None
        return last.at

    def is_heard(self, node: str) -> bool:
        """Tell whether a node has spoken to this server."""
        return node in self._heard

    async def next_change(self) -> frozenset[str]:
        """Wait until nodes fall silent, or speak (again); `UNHEARD` stands for all that never spoke.

        What changes between two calls is not lost.
        """
        while True:
            self._changed.clear()
            changed = self._take_changes()
            if changed:
                return changed
            try:
                async with asyncio.timeout(self._seconds_until_due()):
                    await self._changed.wait()
            except TimeoutError:
                pass

    def _take_changes(self) -> frozenset[str]:
        now = self._monotonic()
        silent = set()
        for node, last in self._heard.items():
            if now - last.monotonic < self._silence_seconds:
                break
            if node not in self._silent:
                silent.add(node)
        changed = frozenset(silent | self._back)
        self._silent |= silent
        self._back.clear()
        return changed

    def _seconds_until_due(self) -> float | None:
        """Return how long it takes until somebody may be silent; None: nobody is left to be."""
        for node, last in self._heard.items():
            if node not in self._silent:
                return max(0.0, last.monotonic + self._silence_seconds - self._monotonic())
        return None
