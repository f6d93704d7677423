"""`captured-packets list`: a line for each file."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from apiserver.resource.filenames import CaptureFile
from nodeagent.capturedpackets.found import NotAFileError, OpenCapture, OpenFile
from nodeagent.files.memory import DirectoryState
from nodeagent.files.savefile import first_packet_time
from nodeagent.table import render_table

_HEADER: Final = (
    *(
        "NAMESPACE",
        "CAPTURE",
        "POD",
        "INTERFACE",
        "STATE",
        "SIZE",
        "PACKETS",
        "FIRST PACKET",
        "UID",
    ),
)
_ACTIVE: Final = "active"


@dataclass(frozen=True, slots=True)
class FileLine:
    """What is shown of a file; `size` in bytes, `uid` that of the capture's object.

    `packets` is what the agent remembers; None of what it writes, and of what it has not counted.
    """

    namespace: str
    capture: str
    pod: str
    interface: str
    state: str
    size: int
    packets: int | None
    first_packet_time: datetime | None
    uid: str

    def fields(self) -> tuple[str, ...]:
        """Return its row of the table."""
        first = self.first_packet_time
        shown = f"{first.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if first else ""
        names = self.namespace, self.capture, self.pod, self.interface
        packets = "" if self.packets is None else str(self.packets)
        return (*names, self.state, str(self.size), packets, shown, self.uid)


def list_lines(captures: Iterable[OpenCapture]) -> Iterator[FileLine]:
    """Yield a line for each file of each capture. Raises OSError."""
    for capture in captures:
        memory = capture.state()
        packets = _packets(memory)
        for name, file in capture.files().items():
            # Rotated or removed meanwhile, or not a file: nothing to be shown.
            with suppress(FileNotFoundError, NotAFileError), capture.open(name) as opened:
                state = _state(file, opened)
                yield FileLine(
                    namespace=capture.namespace,
                    capture=capture.name,
                    pod=file.pod,
                    interface=file.interface,
                    state=state,
                    size=opened.status.st_size,
                    packets=None if state == _ACTIVE else packets.get(name),
                    first_packet_time=file.rotated_at or first_packet_time(opened.path),
                    uid=memory.uid if memory else "",
                )


def render(lines: Iterable[FileLine]) -> str:
    """Return the table."""
    return render_table(_HEADER, [each.fields() for each in lines])


def _packets(memory: DirectoryState | None) -> Mapping[str, int]:
    """Return how many packets are in the files that are not written any more, by name."""
    endpoints = memory.endpoints if memory else ()
    return {file.name: file.packets for each in endpoints for file in each.files}


def _state(file: CaptureFile, opened: OpenFile) -> str:
    if file.rotated_at is not None:
        return "rotated"
    return _ACTIVE if opened.is_written() else "finished"
