"""A value that is replaced now and then, and those who want to know."""

import asyncio
from collections.abc import Callable
from typing import Generic, NoReturn, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """The newest value, None before the first.

    Several may follow it. One that is slow misses values in between and never the last one.
    """

    def __init__(self) -> None:
        self.value: T | None = None
        self._replaced = asyncio.Event()

    def replace(self, value: T) -> None:
        """Have this one from now on."""
        self.value = value
        self._replaced.set()
        self._replaced = asyncio.Event()

    async def next_after(self, seen: T | None) -> T:
        """Wait for a value that is not `seen`, and return it."""
        while self.value is None or self.value == seen:
            await self._replaced.wait()
        return self.value

    async def each(self, use: Callable[[T], None]) -> NoReturn:
        """Call `use` with the value that there is, and with each later one; never return."""
        seen: T | None = None
        while True:
            seen = await self.next_after(seen)
            use(seen)
