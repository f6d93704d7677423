"""A capture's directory on this node, and its memory of whose files are in it.

1. Files in a directory belong to the object whose uid is in its state file, and to no other: for
   another object they are set aside first, where nothing serves them (DESIGN 5).
2. The state file is replaced as a whole, so that at any moment there is the old one or the new one.
3. No file in it is ever overwritten.

All functions block: call them through `asyncio.to_thread`.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Final

import orjson

from apiserver.jsontypes import text_at
from nodeagent.files.layout import (
    STATE_DRAFT,
    STATE_FILE,
    UnsafeNameError,
    set_aside_directory,
)
from nodeagent.files.memory import DirectoryState

__all__ = [
    "DirectoryError",
    "DirectoryState",
    "last_saved",
    "open_directory",
    "read_state",
    "remove_directory",
    "translated_errors",
    "write_state",
]

DIRECTORY_MODE: Final = 0o700
FILE_MODE: Final = 0o600

# Files without a state file that can be read are nobody's; they are kept for whoever looks for them.
_NOBODY: Final = "unknown"


class DirectoryError(Exception):
    """Something in a capture's directory could not be read, written or removed."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


def open_directory(path: Path, fresh: DirectoryState) -> DirectoryState:
    """Make sure that a directory exists for the object of `fresh`, and return its state.

    That is the state which an earlier run left, or `fresh` where there was none. Files of another
    object are set aside. Raises DirectoryError.
    """
    with translated_errors(path):
        _make_directories(path)
        found = _find_state(path)
        if found is not None and found.uid == fresh.uid:
            return found
        if found is not None or any(each.name != STATE_DRAFT for each in path.iterdir()):
            _set_aside(path, found.uid if found else _NOBODY)
            _make_directories(path)
    write_state(path, fresh)
    return fresh


def read_state(path: Path) -> DirectoryState | None:
    """Return what a directory remembers, None where there is nothing. Raises DirectoryError."""
    with translated_errors(path):
        try:
            content = (path / STATE_FILE).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise DirectoryError(path / STATE_FILE, f"is not JSON: {error}") from error
    if not isinstance(document, dict) or not text_at(document, "uid"):
        raise DirectoryError(path / STATE_FILE, "names no uid")
    return DirectoryState.from_json(document)


def last_saved(path: Path) -> datetime:
    """Return when what a directory remembers was written. Raises DirectoryError."""
    with translated_errors(path):
        return datetime.fromtimestamp((path / STATE_FILE).stat().st_mtime, UTC)


def write_state(path: Path, state: DirectoryState) -> None:
    """Replace what a directory remembers, durably.

    Raises DirectoryError, also where the directory belongs to another object by now.
    """
    found = read_state(path)
    if found is not None and found.uid != state.uid:
        raise DirectoryError(path, f"has the files of another object ({found.uid})")
    draft = path / STATE_DRAFT
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with translated_errors(path):
        with os.fdopen(os.open(draft, flags, FILE_MODE), "wb") as stream:
            stream.write(orjson.dumps(state.to_json()))
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path / STATE_FILE)
        _sync(path)


def remove_directory(path: Path) -> None:
    """Remove a directory with everything in it; that there is none is fine. Raises DirectoryError.

    Links in it are removed and not followed; a link in its place is left alone. Whose it is goes last:
    were the agent to end meanwhile, the rest would be nobody's else, and stay.
    """
    with translated_errors(path):
        try:
            _remove_files(path)
            shutil.rmtree(path)
        except FileNotFoundError:
            return
        _sync(path.parent)


def _remove_files(path: Path) -> None:
    """Remove everything in a directory but its state."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        for name in os.listdir(descriptor):
            if name == STATE_FILE:
                continue
            try:
                os.unlink(name, dir_fd=descriptor)
            except IsADirectoryError:
                shutil.rmtree(name, dir_fd=descriptor)
    finally:
        os.close(descriptor)


def _find_state(path: Path) -> DirectoryState | None:
    try:
        return read_state(path)
    except DirectoryError as error:
        if isinstance(error.__cause__, OSError):
            raise
        return None


def _set_aside(path: Path, uid: str) -> None:
    """Move a directory away, durably, to a name that is free."""
    for attempt in count():
        try:
            aside = set_aside_directory(path, uid, attempt=attempt)
        except UnsafeNameError:
            aside = set_aside_directory(path, _NOBODY, attempt=attempt)
        try:
            path.rename(aside)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
                raise
        else:
            _sync(path.parent)
            return


def _make_directories(path: Path) -> None:
    missing = [each for each in (path, *path.parents) if not each.exists()]
    for directory in reversed(missing):
        directory.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        _sync(directory.parent)
    if path.is_symlink():
        raise DirectoryError(path, "is a symbolic link")


def _sync(directory: Path) -> None:
    """Make new names in a directory survive a crash of the machine."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def translated_errors(path: Path) -> Iterator[None]:
    """Raise what the operating system refuses as a DirectoryError, at `path` where it names none."""
    try:
        yield
    except OSError as error:
        where = Path(error.filename) if isinstance(error.filename, str) else path
        raise DirectoryError(where, error.strerror or str(error)) from error
