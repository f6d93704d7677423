"""Whether what runs beside the event loop still answers: asked when a probe comes, and at no other time.

A kubelet that is told no kills the agent, and every capture of the node has a gap. So no is said only
where waiting has no sense any more: after as long as the kernel itself takes to call a task hung
(kernel.hung_task_timeout_secs). A disk that stalls for less than that, or a node without a processor to
spare, is not mended by starting the agent anew.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

STUCK_SECONDS: Final = 120.0


class Pulse:
    """Asks again and again, and counts how long an answer takes; one question is open at a time."""

    def __init__(
        self,
        ask: Callable[[], "Future[None]"],
        *,
        stuck_seconds: float = STUCK_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._stuck_seconds = stuck_seconds
        self._monotonic = monotonic
        self._answer: Future[None] | None = None
        self._asked = 0.0

    def problem(self) -> str:
        """Return what is wrong, or nothing; and ask, for the next time."""
        now = self._monotonic()
        if self._answer is None or self._answer.done():
            self._answer = self._ask()
            self._asked = now
        return silence(now - self._asked, stuck_seconds=self._stuck_seconds)


def silence(seconds: float, *, stuck_seconds: float = STUCK_SECONDS) -> str:
    """Return what is to be said of something that has been due for so long: nothing, for a while."""
    return f"no answer for {seconds:.0f} s" if seconds >= stuck_seconds else ""
