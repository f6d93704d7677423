"""Work on large objects, kept off the event loop: else one of them makes everybody wait."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

# Up to this size the worst takes some 60 ms; what people write has some kilobytes.
LARGE_BYTES = 32 << 10

_Result = TypeVar("_Result")


class LargeWork:
    """Does what takes long in one thread, one piece after the other.

    Several at once would share the interpreter and leave less of it to the loop. How much waits is
    bounded by the requests in flight. What has begun goes on when nobody waits for it any more, and
    what has not is dropped then.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="large")

    async def run(self, size_bytes: int, work: Callable[[], _Result]) -> _Result:
        """Return what `work` does, which is about a text of that size. Raises what it raises."""
        if size_bytes <= LARGE_BYTES:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
