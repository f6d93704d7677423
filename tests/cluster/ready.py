"""Waiting for programs to be ready. The one place that polls, because these have no event to wait for."""

import time
from collections.abc import Callable

from tests.cluster.sandbox import Process

_INTERVAL_SECONDS = 0.05


class NotReadyError(Exception):
    """A program ended, or was not ready in time."""


def until_ready(process: Process, is_ready: Callable[[], bool], *, seconds: float = 60.0) -> None:
    """Return when `is_ready`; raise NotReadyError, which ends in the end of its log, if it never is."""
    deadline = time.monotonic() + seconds
    while not is_ready():
        if process.has_ended or time.monotonic() > deadline:
            said = process.log.read_text(errors="replace")[-2000:]
            raise NotReadyError(f"{process.log} ends in:\n{said}")
        time.sleep(_INTERVAL_SECONDS)
