"""The two times of the agent: what a clock on the wall shows, and how long something takes."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from apiserver.serving.clock import Clock, utc_now


@dataclass(frozen=True, slots=True)
class Times:
    """`clock` is what starts and ends go by, and may be set; `stopwatch` counts seconds and never is."""

    clock: Clock = utc_now
    stopwatch: Callable[[], float] = time.monotonic


REAL = Times()
