"""Waiting for programs to be ready. The one place that polls, because these have no event to wait for."""

import time
from collections.abc import Callable

from tests.cluster.sandbox import Process

_INTERVAL_SECONDS = 0.05
_TEXT_CHARACTERS = 3000


class NotReadyError(Exception):
    """A program ended, or was not ready in time; the text ends in the end of its log."""

    def __init__(self, process: Process) -> None:
        said = process.log.read_text(errors="replace")[-_TEXT_CHARACTERS:]
        super().__init__(f"{process.log} ends in:\n{said}")


def until_ready(process: Process, is_ready: Callable[[], bool], *, seconds: float = 60.0) -> None:
    """Return when `is_ready`; raise NotReadyError if it never is."""
    deadline = time.monotonic() + seconds
    while not is_ready():
        if process.has_ended or time.monotonic() > deadline:
            raise NotReadyError(process)
        time.sleep(_INTERVAL_SECONDS)
