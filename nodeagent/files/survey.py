"""All files of captures on this node, and how full their file system is. Blocks."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from apiserver.resource.filenames import parse
from nodeagent.files.directory import translated_errors
from nodeagent.files.pressure import Disk, StoredFile

# What `stat` counts blocks in (stat(2)), whatever the blocks of the file system are.
_STAT_BLOCK_BYTES: Final = 512


@dataclass(frozen=True, slots=True)
class Survey:
    """What was seen at a moment; `problem` says what could not be looked into, of many the first."""

    disk: Disk
    files: tuple[StoredFile, ...]
    problem: str = ""


def survey(root: Path) -> Survey:
    """Look at the file system, and at everything under `root/{namespace}/{directory}`.

    It takes some 6 ms for 1,000 files. Raises DirectoryError where it cannot be told how much is free.
    """
    disk = measure(root)
    problems: list[str] = []
    files = tuple(
        file
        for namespace in _directories(root, problems)
        for directory in _directories(namespace, problems)
        for file in _files(directory, namespace.name, problems)
    )
    return Survey(disk, files, next(iter(problems), ""))


def measure(root: Path) -> Disk:
    """Return how full the file system is that `root` is on, or will be once it is made.

    Raises DirectoryError.
    """
    with translated_errors(root):
        present = next(each for each in (root, *root.parents) if each.exists())
        found = os.statvfs(present)
    return Disk(total=found.f_blocks * found.f_frsize, free=found.f_bavail * found.f_frsize)


def _directories(path: Path, problems: list[str]) -> Iterator[Path]:
    return (
        Path(each.path) for each in _scan(path, problems) if each.is_dir(follow_symlinks=False)
    )


def _files(path: Path, namespace: str, problems: list[str]) -> Iterator[StoredFile]:
    for entry in _scan(path, problems):
        try:
            if not entry.is_file(follow_symlinks=False):
                continue
            found = entry.stat(follow_symlinks=False)
        except OSError:
            # It has gone since it was listed.
            continue
        yield StoredFile(
            directory=path,
            name=entry.name,
            namespace=namespace,
            # A file system may take blocks ahead, or tell of none that it has not yet chosen.
            size=max(found.st_size, found.st_blocks * _STAT_BLOCK_BYTES),
            changed_ns=found.st_mtime_ns,
            is_rotated=_is_rotated(entry.name),
        )


def _scan(path: Path, problems: list[str]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        problems.append(f"{path}: {error.strerror or error}")
        return []


@lru_cache(maxsize=16_384)
def _is_rotated(name: str) -> bool:
    file = parse(name)
    return file is not None and file.rotated_at is not None
