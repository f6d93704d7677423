"""A time that stands still until a test lets it pass."""

import asyncio
from datetime import UTC, datetime, timedelta

from apiserver.cluster.keeping import Timing

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


class FakeTime:
    """A clock, and sleeps that end when the clock has come so far."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now
        self._sleepers: list[tuple[datetime, asyncio.Event]] = []
        self._fell_asleep = asyncio.Event()

    @property
    def timing(self) -> Timing:
        """This time, and no chance."""
        return Timing(clock=lambda: self.now, sleep=self.sleep, jitter=lambda _low, high: high)

    async def sleep(self, seconds: float) -> None:
        """Wait until so much time was let pass."""
        woken = asyncio.Event()
        self._sleepers.append((self.now + timedelta(seconds=seconds), woken))
        self._fell_asleep.set()
        await woken.wait()

    async def sleeping(self) -> None:
        """Wait until somebody sleeps who was awake when time last passed."""
        await self._fell_asleep.wait()
        self._fell_asleep.clear()

    def advance(self, passed: timedelta) -> None:
        """Let time pass."""
        self.now += passed
        due = [each for each in self._sleepers if each[0] <= self.now]
        self._sleepers = [each for each in self._sleepers if each[0] > self.now]
        for _, woken in due:
            woken.set()
