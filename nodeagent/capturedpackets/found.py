"""Directories of captures and the files in them, by descriptors, so that no link is ever followed.

The agent may be at work in them: it makes files under names that are free and renames them, and never
writes to a file that it did not make. Whether a file is being written is the kernel's word, and needs
nothing of whoever writes it: a read lease (F_SETLEASE, fcntl(2)) is granted for a file only while
nobody has it open for writing.
"""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from apiserver.resource.filenames import CaptureFile, parse
from nodeagent.files.directory import DirectoryError, read_state
from nodeagent.files.memory import DirectoryState

# How directories begin that are of no present object: `~{uid}` (`nodeagent.files.layout`).
SET_ASIDE: Final = "~"

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: not to wait for the writer of a FIFO; for regular files it means nothing.
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# What opening a link or a socket gives.
_IRREGULAR: Final = frozenset({errno.ELOOP, errno.ENXIO})


class NotAFileError(Exception):
    """What has the name of a capture file is another thing."""


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A capture file, open for reading; `name` is the one under which it was opened."""

    name: str
    descriptor: int

    @property
    def path(self) -> Path:
        """A path of this very file, whatever becomes of its name; while it is open."""
        return descriptor_path(self.descriptor)

    @property
    def status(self) -> os.stat_result:
        """What the file system says of it now."""
        return os.fstat(self.descriptor)

    def is_written(self) -> bool:
        """Tell whether somebody may be writing it; yes where the file system cannot tell."""
        try:
            fcntl.fcntl(self.descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError:
            return True
        fcntl.fcntl(self.descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return False


@dataclass(frozen=True, slots=True)
class OpenCapture:
    """The directory of one capture, or `~{uid}` of one that was deleted; open.

    `parent` and `directory` are descriptors, of the namespace's directory and of its own.
    """

    namespace: str
    name: str
    parent: int
    directory: int

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def is_set_aside(self) -> bool:
        """Whether its object is gone: another one has its name, or had."""
        return self.name.startswith(SET_ASIDE)

    def state(self) -> DirectoryState | None:
        """Return what the agent remembers of it, None where that cannot be read."""
        try:
            return read_state(descriptor_path(self.directory))
        except DirectoryError:
            return None

    def files(self) -> dict[str, CaptureFile]:
        """Return what is called as capture files are, by name, sorted."""
        with os.scandir(self.directory) as entries:
            names = sorted(each.name for each in entries if not each.is_dir(follow_symlinks=False))
        found = {name: parse(name) for name in names}
        return {name: file for name, file in found.items() if file is not None}

    @contextmanager
    def open(self, name: str) -> Iterator[OpenFile]:
        """Open a file for as long as the block lasts.

        Raises FileNotFoundError, NotAFileError, or another OSError.
        """
        try:
            descriptor = os.open(name, _FILE, dir_fd=self.directory)
        except OSError as error:
            if error.errno in _IRREGULAR:
                raise NotAFileError(f"{name} is not a regular file") from error
            raise
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise NotAFileError(f"{name} is not a regular file")
            yield OpenFile(name, descriptor)
        finally:
            os.close(descriptor)


def open_captures(
    root: Path, *, namespace: str | None = None, name: str | None = None
) -> Iterator[OpenCapture]:
    """Yield the captures that have a directory, by namespace and name; each is open until the next.

    All of them, or those of one namespace, or of one name. One that goes meanwhile is none. Raises
    OSError.
    """
    with _opened(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) as top:
        for space in _directories(top):
            if namespace in {None, space}:
                with suppress(FileNotFoundError), _opened(space, _DIRECTORY, within=top) as parent:
                    yield from _open_each(space, parent, name)


def descriptor_path(descriptor: int) -> Path:
    """Return a path that leads to what a descriptor of this process has open (proc(5))."""
    return Path("/proc/self/fd", str(descriptor))


def _open_each(namespace: str, parent: int, name: str | None) -> Iterator[OpenCapture]:
    for each in _directories(parent):
        if name in {None, each}:
            with (
                suppress(FileNotFoundError),
                _opened(each, _DIRECTORY, within=parent) as directory,
            ):
                yield OpenCapture(namespace, each, parent, directory)


@contextmanager
def _opened(path: Path | str, flags: int, *, within: int | None = None) -> Iterator[int]:
    descriptor = os.open(path, flags, dir_fd=within)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _directories(descriptor: int) -> list[str]:
    with os.scandir(descriptor) as entries:
        return sorted(each.name for each in entries if each.is_dir(follow_symlinks=False))
