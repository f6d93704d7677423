"""Threads that write capture files as the engine does, within what is granted; and rotate by size."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from apiserver.resource.filenames import CaptureFile, render

BATCH = b"x" * (256 << 10)
_START = datetime(2026, 1, 2, tzinfo=UTC)


@dataclass(slots=True)
class Endpoint:
    """What one thread captures, into files of at most `file_bytes`."""

    directory: Path
    pod: str
    file_bytes: int

    @property
    def namespace(self) -> str:
        return self.directory.parent.name


@dataclass(slots=True)
class Writers:
    """A `Writer` of the guard: threads that have one grant in common, as fast as the disk is."""

    left: int = 0
    written: int = 0
    errors: list[OSError] = field(default_factory=list)
    # Namespaces that must not write now.
    stopped: set[str] = field(default_factory=set)
    is_over: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def grant(self, bytes_left: int | None) -> None:
        assert bytes_left is not None
        assert bytes_left >= 0
        with self._changed:
            self.left = bytes_left
            self._changed.notify_all()

    def set_stopped(self, namespaces: set[str]) -> None:
        with self._changed:
            self.stopped = namespaces
            self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self.is_over = True
            self._changed.notify_all()

    def write(self, endpoint: Endpoint) -> None:
        """Write as fast as it goes until the end."""
        endpoint.directory.mkdir(parents=True, exist_ok=True)
        files = 0
        while not self.is_over:
            active = endpoint.directory / render(CaptureFile(endpoint.pod, "eth0"))
            with active.open("wb") as file:
                while file.tell() < endpoint.file_bytes and self._may_go_on(endpoint):
                    try:
                        file.write(BATCH)
                        file.flush()
                    except OSError as error:
                        self.errors.append(error)
                        return
                    self._take(len(BATCH))
            files += 1
            at = _START + timedelta(seconds=files)
            with suppress(FileNotFoundError):
                active.rename(active.with_name(render(CaptureFile(endpoint.pod, "eth0", at))))

    def _may_go_on(self, endpoint: Endpoint) -> bool:
        """Wait until more may be written, how little that be; false once it is over."""

        def is_time() -> bool:
            return self.is_over or (self.left > 0 and endpoint.namespace not in self.stopped)

        with self._changed:
            self._changed.wait_for(is_time)
        return not self.is_over

    def _take(self, count: int) -> None:
        """Take what is written from what was granted: as late as can be."""
        with self._changed:
            self.left -= count
            self.written += count


@contextmanager
def writing(endpoints: list[Endpoint]) -> Iterator[Writers]:
    """Run a thread for each of these endpoints inside the block; nothing is granted at first."""
    writers = Writers()
    threads = [threading.Thread(target=writers.write, args=(each,)) for each in endpoints]
    for each in threads:
        each.start()
    try:
        yield writers
    finally:
        writers.end()
        for each in threads:
            each.join()
