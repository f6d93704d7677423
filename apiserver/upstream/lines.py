"""Bytes in, whole lines out, in memory that is bounded. Pure.

aiohttp's own `readline` fails on a line longer than its read buffer, and an event of a watch is as
long as its object.
"""

from collections.abc import Iterator


class LineTooLongError(Exception):
    """A line goes on beyond the limit."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"a line is longer than {max_bytes} bytes")
        self.max_bytes = max_bytes


class LineBuffer:
    """What has come of the line that has not ended yet."""

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._parts: list[bytes] = []
        self._held = 0

    @property
    def is_empty(self) -> bool:
        """Whether all that came has been given out as lines."""
        return self._held == 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the lines that `chunk` completes, without their ends; blank ones are left out.

        Raises `LineTooLongError`, after which the stream cannot be read on.
        """
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self._hold(end)
            line = b"".join(self._parts)
            self._parts.clear()
            self._held = 0
            if line.strip():
                yield line
        self._hold(rest)

    def _hold(self, part: bytes) -> None:
        self._held += len(part)
        if self._held > self._max_bytes:
            raise LineTooLongError(self._max_bytes)
        if part:
            self._parts.append(part)
