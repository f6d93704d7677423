"""A time that stands still until a test lets it pass."""

import asyncio
from datetime import UTC, datetime, timedelta

from apiserver.cluster.keeping import Timing

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


class FakeTime:
    """A clock, and sleeps that end when the clock has come so far."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now
        self._sleepers: dict[asyncio.Event, datetime] = {}
        self._fell_asleep = asyncio.Event()

    @property
    def timing(self) -> Timing:
        """This time, and no chance."""
        return Timing(clock=lambda: self.now, sleep=self.sleep, jitter=lambda _low, high: high)

    async def sleep(self, seconds: float) -> None:
        """Wait until so much time was let pass."""
        woken = asyncio.Event()
        self._sleepers[woken] = self.now + timedelta(seconds=seconds)
        self._fell_asleep.set()
        try:
            await woken.wait()
        finally:
            self._sleepers.pop(woken, None)

    async def advance(self, passed: timedelta, *, sleepers: int = 1) -> None:
        """Let time pass once so many sleep: who is about to would sleep from then on."""
        await self.asleep(sleepers)
        self.now += passed
        for woken in [each for each, due in self._sleepers.items() if due <= self.now]:
            del self._sleepers[woken]
            woken.set()

    async def asleep(self, sleepers: int = 1) -> None:
        """Wait until so many sleep."""
        while len(self._sleepers) < sleepers:
            self._fell_asleep.clear()
            await self._fell_asleep.wait()
