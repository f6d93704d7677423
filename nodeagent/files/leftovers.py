"""Files that an earlier run of the agent was writing: they get their rotated names.

So a new run never writes into them. They are kept as they are, but for what a crash tore off at the
end, so that every file can be read to its end (DESIGN 5). All functions block.
"""

import os
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from apiserver.resource.filenames import CaptureFile, parse, render
from nodeagent.files.directory import DirectoryError, translated_errors
from nodeagent.files.layout import file_in
from nodeagent.files.savefile import MAX_RECORD_BYTES, NotASavefileError, first_packet_time, scan

_ONE_TICK: Final = timedelta(microseconds=1)


def rotate_leftovers(path: Path, *, except_for: Collection[str] = ()) -> tuple[str, ...]:
    """Give active files of an earlier run their rotated names, and return those.

    `except_for` are the names of files that are being written. What a crash tore off at the end of a
    file is cut; a file without a packet is removed. Raises DirectoryError.
    """
    with translated_errors(path):
        names = sorted(os.listdir(path))
    found = [(name, parse(name)) for name in names if name not in except_for]
    leftovers = [(name, file) for name, file in found if file and file.rotated_at is None]
    rotated = (rotate_file(path, name) for name, _ in leftovers)
    return tuple(name for name in rotated if name is not None)


def rotate_file(path: Path, name: str) -> str | None:
    """Give one active file that nobody writes its rotated name; None if it was removed as empty.

    The name has the time of the first packet, or, if the endpoint has a file as late, a microsecond
    more than that one (DESIGN 9.3). Raises DirectoryError.
    """
    active = file_in(path, name)
    file = parse(name)
    assert file is not None, "file_in takes names of capture files only"
    with translated_errors(active):
        if not _is_regular(active):
            raise DirectoryError(active, "is not a regular file")
        time = _settle(active)
        if time is None:
            active.unlink()
            return None
        rotated = render(replace(file, rotated_at=_free_time(path, file, time)))
        active.rename(path / rotated)
        return rotated


def step_aside(path: Path, name: str, *, now: datetime) -> str:
    """Give an active file that is still being written its rotated name, so that the next can begin.

    Its content is not touched. The name has the time of its first packet, or `now` if it has none
    yet. Raises DirectoryError.
    """
    active = file_in(path, name)
    file = parse(name)
    assert file is not None, "file_in takes names of capture files only"
    with translated_errors(active):
        time = first_packet_time(active) or now
        rotated = render(replace(file, rotated_at=_free_time(path, file, time)))
        active.rename(path / rotated)
        return rotated


def _settle(path: Path) -> datetime | None:
    """Cut off what is torn; return the time of the first packet, None if there is no packet."""
    found = path.stat()
    last_change = datetime.fromtimestamp(found.st_mtime, UTC)
    try:
        content = scan(path)
    except NotASavefileError:
        # Not ours, or damaged beyond our understanding: kept as it is.
        return last_change
    rest = found.st_size - content.whole_bytes
    if rest > MAX_RECORD_BYTES:
        # More than one record can hold is no torn record: kept whole, for whoever can read it.
        return content.first_packet_time or last_change
    if content.first_packet_time is not None and rest:
        os.truncate(path, content.whole_bytes)
    return content.first_packet_time


def _free_time(path: Path, file: CaptureFile, time: datetime) -> datetime:
    siblings = (parse(name) for name in os.listdir(path))
    latest = max(
        (
            each.rotated_at
            for each in siblings
            if each and each.rotated_at and replace(each, rotated_at=None) == file
        ),
        default=None,
    )
    return time if latest is None or time > latest else latest + _ONE_TICK


def _is_regular(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
