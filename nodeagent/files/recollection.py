"""What a directory remembers, made true of the files in it: a crash came between the two. Blocks.

What was written after the memory was, is counted now; what is gone counts as expired. So a packet that
is in a file is in the counters too, whenever the agent or the machine went down.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from apiserver.resource.filenames import CaptureFile, parse, render
from apiserver.resource.types import State
from nodeagent.files.directory import translated_errors
from nodeagent.files.leftovers import count_file, cut_excess
from nodeagent.files.memory import DirectoryState, EndpointMemory, FileMemory, active_name
from nodeagent.files.savefile import FILE_HEADER_BYTES, RECORD_HEADER_BYTES


def recollect(path: Path, state: DirectoryState) -> DirectoryState:
    """Return what is true of a directory in which nobody writes; torn ends of files are cut.

    Files of no endpoint that is remembered are left out: those of ended ones are in sums only, by
    which they are counted already. Raises DirectoryError.
    """
    owners = _Owners(state.endpoints)
    present: list[list[FileMemory]] = [[] for _ in state.endpoints]
    with translated_errors(path):
        names = sorted(name for name in os.listdir(path) if parse(name))
    for name in names:
        if not owners.has(name):
            continue
        known = owners.known(name)
        if known is not None:
            cut_excess(path / name, known)
        file = _count(path / name, None if name == active_name(name) else known)
        place = owners.find(file)
        if file.packets and place is not None:
            present[place].append(file)
    settled = zip(state.endpoints, present, strict=True)
    return replace(state, endpoints=tuple(each.settled(files) for each, files in settled))


class _Owners:
    """Which endpoint a file is of, by its place, as far as the memory knows and names tell."""

    def __init__(self, endpoints: Sequence[EndpointMemory]) -> None:
        self._files = {
            file.name: (place, file) for place, each in enumerate(endpoints) for file in each.files
        }
        # Pods that are made anew under a name, as those of a StatefulSet, have the same files' names:
        # what is not remembered is of the last to write.
        latest = sorted(range(len(endpoints)), key=lambda place: _recency(endpoints[place]))
        self._latest = {_active_name(endpoints[place]): place for place in latest}

    def has(self, name: str) -> bool:
        """Tell whether a file is that of an endpoint."""
        return name in self._files or active_name(name) in self._latest

    def known(self, name: str) -> FileMemory | None:
        """Return what is remembered of a file by its name; that of an active one is used again."""
        found = self._files.get(name)
        return found[1] if found else None

    def find(self, file: FileMemory) -> int | None:
        """Return the place of the endpoint that a file is of.

        It may be remembered under its active name: it was rotated since.
        """
        active = active_name(file.name)
        for name in (file.name, active):
            found = self._files.get(name)
            if found and found[1].content == file.content:
                return found[0]
        return self._latest.get(active)


def _count(path: Path, known: FileMemory | None) -> FileMemory:
    """Return what is in a file: as it is remembered, if that can be true, and else by reading it."""
    if known is not None:
        with translated_errors(path):
            is_same = path.stat().st_size == _length(known)
        if is_same:
            return known
    return count_file(path)


def _active_name(endpoint: EndpointMemory) -> str:
    return render(CaptureFile(endpoint.report.pod, endpoint.report.interface))


def _recency(endpoint: EndpointMemory) -> tuple[bool, str]:
    is_over = endpoint.report.state == State.FINISHED
    return not is_over, endpoint.report.last_packet_time


def _length(file: FileMemory) -> int:
    return FILE_HEADER_BYTES + file.packets * RECORD_HEADER_BYTES + file.bytes
