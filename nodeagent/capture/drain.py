"""A turn under way: who waits for it, and what has to wait until it is made."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from nodeagent.capture.counters import Counters
from nodeagent.libpcap.errors import CaptureError


@dataclass(slots=True)
class Drain:
    """What comes before a turn is being read, until a time in monotonic seconds."""

    deadline: float
    done: Future[Counters] | None
    then: list[Callable[[], None]] = field(default_factory=list)

    def resolve(self, final: Counters) -> None:
        """Tell who waits that the turn is made."""
        if self.done is not None:
            self.done.set_result(final)

    def fail(self, error: CaptureError) -> None:
        """Tell who waits that it will not be made."""
        if self.done is not None:
            self.done.set_exception(error)

    def go_on(self) -> None:
        """Begin what had to wait."""
        for command in self.then:
            command()
