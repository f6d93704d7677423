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

from apiserver.resource.filenames import parse, render
from nodeagent.files.directory import DirectoryError, translated_errors
from nodeagent.files.layout import draft_of, drafted_name, file_in
from nodeagent.files.memory import FileMemory
from nodeagent.files.savefile import (
    FILE_HEADER_BYTES,
    MAX_RECORD_BYTES,
    NOTHING,
    RECORD_HEADER_BYTES,
    Content,
    NotASavefileError,
    first_packet_time,
    scan,
)

_ONE_TICK: Final = timedelta(microseconds=1)


def rotate_leftovers(path: Path, *, except_for: Collection[str] = ()) -> tuple[FileMemory, ...]:
    """Give active files of an earlier run their rotated names, and return those and what is in them.

    `except_for` are the names of files that are being written. What a crash tore off at the end of a
    file is cut; a file without a packet is removed. Raises DirectoryError.
    """
    with translated_errors(path):
        names = sorted(os.listdir(path))
    # The file that was active is older than the one which was to follow it.
    active = [name for name in names if _is_active(name)]
    drafts = [name for name in map(drafted_name, names) if name is not None]
    found = [(path / name, name) for name in active]
    found += [(draft_of(path / name), name) for name in drafts]
    rotated = (_rotate(file, name) for file, name in found if name not in except_for)
    return tuple(each for each in rotated if each is not None)


def rotate_file(path: Path, name: str) -> FileMemory | None:
    """Give one active file that nobody writes its rotated name; None if it was removed as empty.

    The name has the time of the first packet, or, if the endpoint has a file as late, a microsecond
    more than that one (DESIGN 9.3). Returns what is in it. Raises DirectoryError.
    """
    return _rotate(file_in(path, name), name)


def last_rotation(path: Path, active: str) -> datetime | None:
    """Return the time in the name of an endpoint's last rotated file. Raises DirectoryError."""
    endpoint = parse(active)
    # Reading a time takes ten times as long as seeing that a name is another endpoint's.
    stem = active.removesuffix(".pcap")
    with translated_errors(path):
        siblings = [parse(name) for name in os.listdir(path) if name.startswith(stem)]
    return max(
        (
            each.rotated_at
            for each in siblings
            if each and each.rotated_at and replace(each, rotated_at=None) == endpoint
        ),
        default=None,
    )


def count_file(path: Path) -> FileMemory:
    """Return what is in a file that nobody writes, and cut off what is torn. Raises DirectoryError.

    In one that is not ours, or damaged beyond our understanding, that is nothing; nor in what is no
    regular file: a link may lead to a file that somebody writes. One that is torn within its header,
    which nobody could read, is removed.
    """
    with translated_errors(path):
        content, is_understood = _settle(path) if _is_regular(path) else (NOTHING, False)
        if is_understood and not content.whole_bytes:
            path.unlink()
    return _memory(path.name, content)


def cut_excess(path: Path, known: FileMemory) -> None:
    """Cut off what is behind that which a file is known to hold, if it is that file.

    It was refused by the disk when it was half written, counted as lost, and could not be cut off then.
    Raises DirectoryError.
    """
    length = FILE_HEADER_BYTES + known.packets * RECORD_HEADER_BYTES + known.bytes
    with translated_errors(path):
        is_longer = os.path.lexists(path) and _is_regular(path) and path.stat().st_size > length
        if is_longer and first_packet_time(path) == known.first_packet_time:
            os.truncate(path, length)


def _is_active(name: str) -> bool:
    file = parse(name)
    return file is not None and file.rotated_at is None


def _rotate(path: Path, name: str) -> FileMemory | None:
    """Give the file at `path` the rotated name that goes with the active `name`."""
    file = parse(name)
    assert file is not None, "names of capture files only"
    with translated_errors(path):
        if not _is_regular(path):
            raise DirectoryError(path, "is not a regular file")
        last_change = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        content, is_understood = _settle(path)
        if is_understood and not content.packets:
            path.unlink()
            return None
        time = content.first_packet_time or last_change
        latest = last_rotation(path.parent, name)
        if latest is not None and time <= latest:
            time = latest + _ONE_TICK
        rotated = render(replace(file, rotated_at=time))
        path.rename(path.with_name(rotated))
        return _memory(rotated, content)


def _settle(path: Path) -> tuple[Content, bool]:
    """Cut off what is torn; return what is in a file, and whether that is understood to its end."""
    size = path.stat().st_size
    try:
        content = scan(path)
    except NotASavefileError:
        # Not ours, or damaged beyond our understanding: kept as it is.
        return NOTHING, False
    rest = size - content.whole_bytes
    if rest > MAX_RECORD_BYTES:
        # More than one record can hold is no torn record: kept whole, for whoever can read it.
        return content, False
    if content.whole_bytes and rest:
        os.truncate(path, content.whole_bytes)
    return content, True


def _memory(name: str, content: Content) -> FileMemory:
    return FileMemory(
        name,
        packets=content.packets,
        bytes=content.captured_bytes,
        first_packet_time=content.first_packet_time,
        last_packet_time=content.last_packet_time,
    )


def _is_regular(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
