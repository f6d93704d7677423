"""What lies on this node: the files of one capture, and the directories of all. Blocks."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from heapq import nlargest
from pathlib import Path
from types import MappingProxyType
from typing import Final

from apiserver.agentapi.files import FileEntry
from apiserver.resource.filenames import parse
from nodeagent.files.directory import DirectoryError, DirectoryState, read_state

NOTHING_ACTIVE: Final[Mapping[Path, int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FoundDirectory:
    """A directory with files of the object that `state` names, in use or set aside."""

    path: Path
    state: DirectoryState


def list_files(
    directory: Path, readable_bytes: Mapping[Path, int] = NOTHING_ACTIVE
) -> tuple[FileEntry, ...]:
    """Return the capture files in a directory by name; none where it does not exist.

    `readable_bytes` has the files that are being written, each with the bytes that may be read of
    it. Raises DirectoryError.
    """
    return tuple(sorted(_entries(directory, readable_bytes), key=lambda each: each.name))


def newest_names(directory: Path, most: int) -> tuple[tuple[str, ...], int]:
    """Return the names of the files that were written to last, sorted, and how many there are.

    At most `most` names. Raises DirectoryError.
    """
    ages = {entry.name: _last_change(entry) for entry in _scan(directory) if parse(entry.name)}
    changes = {name: change for name, change in ages.items() if change is not None}
    newest = nlargest(most, changes, key=lambda name: (changes[name], name))
    return tuple(sorted(newest)), len(changes)


def find_directories(root: Path) -> tuple[FoundDirectory, ...]:
    """Return all directories of captures under `root`, of present objects and of earlier ones.

    What says of nobody whose it is, is left out, and so never removed. Raises DirectoryError.
    """
    found = []
    for namespace in _directories(root):
        for path in _directories(namespace):
            state = _state_or_none(path)
            if state is not None:
                found.append(FoundDirectory(path, state))
    return tuple(found)


def _entries(directory: Path, readable_bytes: Mapping[Path, int]) -> Iterator[FileEntry]:
    for entry in _scan(directory):
        file = parse(entry.name)
        # Between listing and asking, retention may have removed the file.
        size = _size(entry) if file is not None else None
        if file is None or size is None:
            continue
        path = directory / entry.name
        yield FileEntry(
            name=entry.name,
            pod=file.pod,
            interface=file.interface,
            size=min(size, readable_bytes.get(path, size)),
            active=path in readable_bytes,
        )


def _size(entry: os.DirEntry[str]) -> int | None:
    found = _stat(entry)
    return found.st_size if found else None


def _last_change(entry: os.DirEntry[str]) -> int | None:
    found = _stat(entry)
    return found.st_mtime_ns if found else None


def _stat(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Return what is known of a regular file, None where it is another thing, or gone by now."""
    try:
        is_regular = entry.is_file(follow_symlinks=False)
        return entry.stat(follow_symlinks=False) if is_regular else None
    except FileNotFoundError:
        return None


def _directories(path: Path) -> list[Path]:
    names = sorted(each.name for each in _scan(path) if each.is_dir(follow_symlinks=False))
    return [path / name for name in names]


def _scan(path: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DirectoryError(path, error.strerror or str(error)) from error


def _state_or_none(path: Path) -> DirectoryState | None:
    try:
        return read_state(path)
    except DirectoryError:
        return None
