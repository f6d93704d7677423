"""How many rotated files of an endpoint are kept: the oldest go, and what was in them is told.

An endpoint's files are those of one pod and one interface, told by `filenames.parse` and never by how
a name begins: `a_eth0` and `a_eth0-2` are two interfaces. The active file is not counted.
"""

import os
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from apiserver.resource.filenames import CaptureFile, parse
from nodeagent.files.directory import DirectoryError, translated_errors
from nodeagent.files.layout import file_in
from nodeagent.files.leftovers import count_file
from nodeagent.files.memory import FileMemory


def find_excess(names: Iterable[str], active: str, *, keep: int) -> tuple[str, ...]:
    """Return which rotated files of the endpoint with this active file go, the oldest first. Pure."""
    endpoint = parse(active)
    stem = active.removesuffix(".pcap")
    # Reading a time takes ten times as long as seeing that a name is another endpoint's.
    candidates = (name for name in names if name.startswith(stem))
    times = {name: _rotated_at(name, endpoint) for name in candidates}
    rotated = sorted((time, name) for name, time in times.items() if time is not None)
    return tuple(name for _, name in rotated[: max(0, len(rotated) - keep)])


def list_excess(path: Path, active: str, *, keep: int) -> tuple[str, ...]:
    """Return which files of an endpoint go from its directory. Blocks; raises DirectoryError."""
    with translated_errors(path), os.scandir(path) as entries:
        names = [each.name for each in entries if each.is_file(follow_symlinks=False)]
    return find_excess(names, active, keep=keep)


def remove_file(path: Path, name: str, known: FileMemory | None) -> FileMemory | None:
    """Remove a file of a directory; return what was in it, None if it was not there.

    What is not `known` is read before; what cannot be read goes all the same, for its room is needed.
    Blocks; raises DirectoryError.
    """
    file = file_in(path, name)
    with translated_errors(file):
        if not os.path.lexists(file):
            return None
        found = known or _count(file)
        # One without a header was removed by counting it.
        file.unlink(missing_ok=True)
    return found


def _count(file: Path) -> FileMemory:
    try:
        return count_file(file)
    except DirectoryError:
        return FileMemory(file.name)


def _rotated_at(name: str, endpoint: CaptureFile | None) -> datetime | None:
    file = parse(name)
    return file.rotated_at if file and replace(file, rotated_at=None) == endpoint else None
