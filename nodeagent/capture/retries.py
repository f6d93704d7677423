"""When what failed is tried again: each endpoint has one time for that, and many have the same."""

import asyncio
import math
from collections.abc import Callable
from typing import Final

from nodeagent.capture.plan import RingKey
from nodeagent.capture.records import EndpointRecord

# So many parts of a pause are rounded up to.
_PARTS: Final = 4


class Retries:
    """The times; `replan` has a new plan made soon."""

    def __init__(self, replan: Callable[[], None]) -> None:
        self._replan = replan
        self._timers: dict[RingKey, asyncio.TimerHandle] = {}

    def wait(self, endpoint: EndpointRecord, pause: float) -> None:
        """Let an endpoint wait for so many seconds; it may have been tried before an earlier time."""

        def end() -> None:
            del self._timers[endpoint.key]
            endpoint.is_waiting = False
            self._replan()

        if earlier := self._timers.get(endpoint.key):
            earlier.cancel()
        loop = asyncio.get_running_loop()
        self._timers[endpoint.key] = loop.call_at(next_try(loop.time(), pause), end)


def next_try(now: float, pause: float) -> float:
    """Return when to try again what failed `now`: after `pause` seconds, and up to a quarter more.

    What failed one after the other is so tried together, in one round of the loop. Pure.
    """
    step = pause / _PARTS
    return math.ceil((now + pause) / step) * step
