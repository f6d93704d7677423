"""Waiting for programs to be ready. The one place that polls, because these have no event to wait for."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

_INTERVAL_SECONDS = 0.05
_TEXT_CHARACTERS = 3000


class Program(Protocol):
    """Something that runs, and writes to a log."""

    @property
    def log(self) -> Path:
        """Where it writes."""

    @property
    def has_ended(self) -> bool:
        """Whether it has ended by itself."""


class NotReadyError(Exception):
    """A program ended, or was not ready in time; the text ends in the end of its log."""

    def __init__(self, program: Program) -> None:
        said = program.log.read_text(errors="replace")[-_TEXT_CHARACTERS:]
        super().__init__(f"{program.log} ends in:\n{said}")


def until_ready(program: Program, is_ready: Callable[[], bool], *, seconds: float = 60.0) -> None:
    """Return when `is_ready`; raise NotReadyError if it never is."""
    deadline = time.monotonic() + seconds
    while not is_ready():
        if program.has_ended or time.monotonic() > deadline:
            raise NotReadyError(program)
        time.sleep(_INTERVAL_SECONDS)
