"""Work handed to another thread: a queue with a descriptor that the thread can wait for."""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import TypeVar

Result = TypeVar("Result")


class Commands:
    """Commands in the order in which they were submitted, from any thread."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """Return the descriptor that is readable while commands wait."""
        return self._event

    def submit(self, command: Callable[[Future[Result]], None]) -> Future[Result]:
        """Let the other thread begin a command; the command resolves its future, now or later."""
        done: Future[Result] = Future()
        # What was begun is finished whoever stops waiting for it: a turn cannot be half made.
        done.set_running_or_notify_cancel()
        self.forward(command, done)
        return done

    def forward(self, command: Callable[[Future[Result]], None], done: Future[Result]) -> None:
        """Let the other thread begin a command whose future somebody has already."""
        self._waiting.append(partial(begin, command, done))
        os.eventfd_write(self._event, 1)

    @property
    def are_waiting(self) -> bool:
        """Whether there are any; costs nothing to ask."""
        return bool(self._waiting)

    def perform(self) -> None:
        """Begin all that wait; called by the other thread."""
        # One may be waiting whose submitter has not told yet.
        with suppress(BlockingIOError):
            os.eventfd_read(self._event)
        while self._waiting:
            self._waiting.popleft()()

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._event)


def begin(command: Callable[[Future[Result]], None], done: Future[Result]) -> None:
    """Begin a command; what it raises is its result."""
    try:
        command(done)
    except Exception as error:  # noqa: BLE001 - handed to whoever awaits `done`
        done.set_exception(error)
