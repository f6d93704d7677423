"""This node's endpoints from a file of WorkloadEndpoints, followed as it is edited (DESIGN 9.4).

The directory is watched and not the file, because editors replace files, and the file may come
later. A file that cannot be used changes nothing: the last good state stays, and `problem` says why.
An empty file says that there are no endpoints; a missing one, after one was there, says nothing.
"""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from asyncinotify import Event, Inotify, Mask

from nodeagent.discovery.endpoints import Endpoint, InvalidEndpointsError, parse_endpoints
from nodeagent.discovery.yaml12 import YamlError, load_documents

log = logging.getLogger(__name__)

MAX_FILE_BYTES: Final = 16 * 2**20
# What was read counts when no edit is told of for this long.
QUIET_SECONDS: Final = 0.05

# A file is read when its writer is done with it. That the next one has begun is told by MODIFY, also
# for the truncation: what was read meanwhile may be a part, and an empty file would end all captures.
_ENDS: Final = Mask.CLOSE_WRITE | Mask.MOVED_TO | Mask.MOVED_FROM | Mask.DELETE
_CHANGES: Final = _ENDS | Mask.MODIFY | Mask.ONLYDIR
# The kernel dropped events, or the directory itself is gone: look again in any case.
_UNNAMED: Final = Mask.Q_OVERFLOW | Mask.IGNORED
# Kubernetes swaps the files of a volume by renaming this link of theirs.
_VOLUME_LINK: Final = "..data"


class WorkloadsError(Exception):
    """The directory of the file cannot be watched."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class Workloads:
    """The newest endpoints; iterating gives them at once, and again after each reading.

    A consumer that is slow misses states in between and never the last one.
    """

    def __init__(self) -> None:
        self.current: tuple[Endpoint, ...] = ()
        self.problem = ""
        self._is_new = asyncio.Event()
        self._is_new.set()

    def __aiter__(self) -> "Workloads":
        return self

    async def __anext__(self) -> tuple[Endpoint, ...]:
        await self._is_new.wait()
        self._is_new.clear()
        return self.current

    def replace(self, endpoints: tuple[Endpoint, ...]) -> None:
        """Have these from now on."""
        self.problem = ""
        self.current = endpoints
        self._is_new.set()

    def keep(self, problem: str) -> None:
        """Go on with what there is, for this reason."""
        self.problem = problem
        self._is_new.set()


@asynccontextmanager
async def following_workloads(path: Path, *, node: str) -> AsyncGenerator[Workloads]:
    """Follow a file for as long as the block lasts; on entering it has been read.

    Raises:
        WorkloadsError: Its directory does not exist or cannot be watched.
    """
    workloads = Workloads()
    with Inotify(sync_timeout=0) as inotify:
        os.set_blocking(inotify.fd, False)
        try:
            inotify.add_watch(path.parent, _CHANGES)
        except OSError as error:
            raise WorkloadsError(path.parent, error.strerror or str(error)) from error
        # Watched first and read then: no edit falls between the two.
        _publish(path, await _read(path, node=node), workloads)
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(_follow(inotify, path, workloads, node=node))
            yield workloads
            following.cancel()


async def _follow(inotify: Inotify, path: Path, workloads: Workloads, *, node: str) -> None:
    """Read once for all edits that have come, and again if there is another before it is quiet."""
    while True:
        last = _last_concern([await inotify.get(), *_waiting(inotify)], path)
        while last is not None and not last.mask & Mask.MODIFY:
            found = await _read(path, node=node)
            # A truncation shows in the file before it is told of.
            await asyncio.sleep(QUIET_SECONDS)
            last = _last_concern(_waiting(inotify), path)
            if last is None:
                _publish(path, found, workloads)


def _waiting(inotify: Inotify) -> list[Event]:
    """Return the events that are there already."""
    return list(iter(inotify.sync_get, None))


def _last_concern(events: list[Event], path: Path) -> Event | None:
    return next((each for each in reversed(events) if _concerns(each, path)), None)


def _concerns(event: Event, path: Path) -> bool:
    if event.mask & _UNNAMED or event.name is None:
        return True
    return str(event.name) in {path.name, _VOLUME_LINK}


async def _read(path: Path, *, node: str) -> tuple[Endpoint, ...] | str:
    """Return the endpoints, or what keeps the file from being used."""
    try:
        return await asyncio.to_thread(_load, path, node)
    except (OSError, YamlError, InvalidEndpointsError) as error:
        return (isinstance(error, OSError) and error.strerror) or str(error)


def _publish(path: Path, found: tuple[Endpoint, ...] | str, workloads: Workloads) -> None:
    if isinstance(found, str):
        workloads.keep(f"{path}: {found}")
        log.warning("workloads stay as they are", extra={"problem": workloads.problem})
    else:
        workloads.replace(found)
        log.info("workloads read", extra={"endpoints": len(found)})


def _load(path: Path, node: str) -> tuple[Endpoint, ...]:
    """Read the file; blocks."""
    with path.open("rb") as stream:
        content = stream.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise YamlError(f"is larger than {MAX_FILE_BYTES} bytes")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise YamlError(f"is not UTF-8: {error}") from error
    return parse_endpoints(load_documents(text), node=node)
