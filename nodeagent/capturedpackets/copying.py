"""`captured-packets copy`: files as they are, those that are being written up to a whole packet."""

import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, Protocol

from nodeagent.capturedpackets.found import NotAFileError, OpenCapture, OpenFile
from nodeagent.files.savefile import MAX_RECORD_BYTES, NotASavefileError, scan

_CHUNK_BYTES: Final = 1 << 20
_MODE: Final = 0o600


class IntoItselfError(Exception):
    """The destination is where the captures are."""


class CopyError(Exception):
    """A file of a capture cannot be copied, for this `reason`."""

    def __init__(self, capture: OpenCapture, file: str, reason: str) -> None:
        super().__init__(f"{capture}: {file}: {reason}")
        self.capture = str(capture)
        self.file = file
        self.reason = reason


class OutputError(Exception):
    """Standard output cannot be written, or nothing that follows there could be read."""


class Destination(Protocol):
    """Where copies go."""

    def add(self, path: str, source: OpenFile, size: int) -> None:
        """Store the first `size` bytes under a relative path, in the place of what was there."""

    def remove(self, path: str) -> None:
        """Have nothing there."""


class Folder:
    """A directory; files appear in it whole or not at all."""

    def __init__(self, top: Path) -> None:
        """It is made with the first file where there is none."""
        self._top = top

    def add(self, path: str, source: OpenFile, size: int) -> None:
        """Store a file. Raises OSError, and leaves nothing half done."""
        place = self._top / path
        place.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(prefix=".captured-packets-", dir=place.parent)
        try:
            with os.fdopen(descriptor, "wb") as target:
                _copy(source.descriptor, target, size)
            found = source.status
            os.utime(draft, ns=(found.st_mtime_ns, found.st_mtime_ns))
            # In the place of a link it replaces the link, not what that leads to.
            Path(draft).replace(place)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise

    def remove(self, path: str) -> None:
        """Remove a file."""
        (self._top / path).unlink(missing_ok=True)


class Archive:
    """A tar archive, written as a stream: for whoever has no disk here to write to."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive

    def add(self, path: str, source: OpenFile, size: int) -> None:
        """Append a file. Raises OutputError: half a file is not to be taken back."""
        entry = tarfile.TarInfo(path)
        entry.size, entry.mode, entry.mtime = size, _MODE, int(source.status.st_mtime)
        try:
            with open(source.descriptor, "rb", closefd=False) as content:
                content.seek(0)
                self._archive.addfile(entry, content)
        except OSError as error:
            raise OutputError(f"{path}: {error.strerror or error}") from error

    def remove(self, path: str) -> None:
        """Let it be: what is sent is sent. Its packets are there twice, and none is missing."""


@contextmanager
def open_archive(stream: BinaryIO) -> Iterator[Archive]:
    """Write an archive to a stream inside the block, and its end after it."""
    # PAX: names of any length, in UTF-8.
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        yield Archive(archive)


def refuse_within(captures: Path, destination: Path) -> None:
    """Raise IntoItselfError if a destination is the capture directory, or below it.

    A copy there would take the place of the file that the agent is writing.
    """
    root = captures.stat()
    resolved = destination.resolve()
    for each in (resolved, *resolved.parents):
        with suppress(FileNotFoundError):
            if os.path.samestat(each.stat(), root):
                raise IntoItselfError(f"{destination} is in the capture directory {captures}")


def copy_files(capture: OpenCapture, destination: Destination, *, folder: str = "") -> None:
    """Copy all files of a capture into a folder of the destination.

    First those under active names: one that is rotated meanwhile is listed again with the rotated ones,
    and takes the place of its first copy.

    Raises:
        CopyError: A file cannot be read, or stored.
        OutputError: The archive is not to be gone on with.
        OSError: The capture cannot be read.
    """
    places: dict[tuple[int, int], str] = {}
    for is_rotated in (False, True):
        for name, file in capture.files().items():
            if (file.rotated_at is not None) is not is_rotated:
                continue
            # Retention or a rotation may have been faster; and what is no file is no capture file.
            with suppress(FileNotFoundError, NotAFileError), capture.open(name) as source:
                place = str(PurePosixPath(folder, name))
                _add(capture, source, destination, place)
                identity = source.status.st_dev, source.status.st_ino
                if identity in places:
                    destination.remove(places[identity])
                places[identity] = place


def _add(capture: OpenCapture, source: OpenFile, destination: Destination, place: str) -> None:
    try:
        destination.add(place, source, _whole_bytes(source))
    except OSError as error:
        where = f"{error.filename2 or error.filename}: " if error.filename else ""
        raise CopyError(capture, source.name, f"{where}{error.strerror}") from error
    except EOFError as error:
        raise CopyError(capture, source.name, str(error)) from error


def _whole_bytes(source: OpenFile) -> int:
    """Return the bytes up to the end of the last whole record; of what is damaged otherwise, all."""
    size = source.status.st_size
    try:
        whole = scan(source.path).whole_bytes
    except NotASavefileError:
        return size
    return size if size - whole > MAX_RECORD_BYTES else whole


def _copy(source: int, target: BinaryIO, size: int) -> None:
    at = 0
    while at < size:
        chunk = os.pread(source, min(size - at, _CHUNK_BYTES), at)
        if not chunk:
            raise EOFError("the file became shorter while it was read")
        target.write(chunk)
        at += len(chunk)
