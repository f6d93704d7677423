"""What goes wrong again and again is logged once a minute, with how often it was.

A disk that is full or an API that refuses would else fill the node's logs, which are on the same disk.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

QUIET_SECONDS: Final = 60.0
# Kinds of lines that are remembered; of what goes beyond, each is said.
MAX_KINDS: Final = 1024


@dataclass(slots=True)
class _Said:
    """When a line was logged last, and how many like it were not since."""

    at: float
    withheld: int = 0


class Repeats(logging.Filter):
    """Withholds warnings and errors that were logged within a minute: same sentence, same text fields.

    Numbers may differ. The next one that is logged has the number of those in between, as `repeated`.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._said: OrderedDict[tuple[str, ...], _Said] = OrderedDict()
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a record is to be logged."""
        if record.levelno < logging.WARNING:
            return True
        with self._lock:
            return self._admit(record)

    def _admit(self, record: logging.LogRecord) -> bool:
        now, kind = self._monotonic(), _kind(record)
        said = self._said.get(kind)
        if said is not None and now - said.at < QUIET_SECONDS:
            said.withheld += 1
            return False
        if said is not None and said.withheld:
            record.repeated = said.withheld
        self._said[kind] = _Said(now)
        self._said.move_to_end(kind)
        if len(self._said) > MAX_KINDS:
            self._said.popitem(last=False)
        return True


_STANDARD: Final = frozenset(vars(logging.makeLogRecord({})))


def _kind(record: logging.LogRecord) -> tuple[str, ...]:
    """Return what makes a line another one: who says it, the sentence, and fields that are text."""
    fields = (
        f"{name}={value}"
        for name, value in sorted(vars(record).items())
        if name not in _STANDARD and isinstance(value, str)
    )
    return (record.name, str(record.msg), *fields)
