"""How much of the disk captures may take: what has to go, and who has to stop. Pure.

Three bounds: all files of captures on this node, what has to stay free on their file system, and the
share of one namespace. Where one is reached, rotated files go, the oldest first: those of a namespace
that has more than its share, then any. Where none is left that could go, captures stop.

There is more to it than one line: captures go on for as long as there is `least` to be written, a
`reserve` is made for them where files can go for it, and what has stopped goes on once there can be
that reserve again. So they do not stop and go on by turns, and no file goes that would not help.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nodeagent.files.sizes import render_size

MEBIBYTE: Final = 1 << 20
GIBIBYTE: Final = 1 << 30

# A tenth of the file system, as far as that is not much: with Felix's defaults an interface keeps some
# 30 MB, so that this is for more interfaces than a node has.
DEFAULT_MAX_BYTES: Final = 10 * GIBIBYTE
DEFAULT_MAX_PERCENT: Final = 10
# The kubelet evicts pods when its file system has less than 10 % available, or less than 15 % where
# images are on it too (nodefs.available, imagefs.available: --eviction-hard). Nobody shall be evicted
# for a capture.
DEFAULT_MIN_FREE_PERCENT: Final = 15
DEFAULT_MIN_FREE_BYTES: Final = GIBIBYTE
# No namespace alone can take all.
DEFAULT_NAMESPACE_PERCENT: Final = 50

# What an engine of two threads has under way at a moment: a batch of each.
UNDER_WAY_BYTES: Final = 4 * MEBIBYTE

# Of all that captures may ever take, as much is made free for them at once as this part.
_RESERVE_PART: Final = 16
_MOST_RESERVE: Final = 256 * MEBIBYTE
_LEAST_PART: Final = 4


@dataclass(frozen=True, slots=True)
class Disk:
    """The file system of the captures: its size, and what is free to those who are not root."""

    total: int
    free: int


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a capture: what it takes on the disk, and when it changed last (ns since the epoch).

    Only one that is rotated may be removed.
    """

    directory: Path
    name: str
    namespace: str
    size: int
    changed_ns: int
    is_rotated: bool

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.directory / self.name


@dataclass(frozen=True, slots=True)
class Bounds:
    """In bytes: what captures may take, what has to stay free, the share of one namespace.

    `under_way` may be written at any moment of what was granted before: there is no use in granting
    less than some times that.
    """

    max_bytes: int
    floor: int
    namespace_bytes: int
    under_way: int = UNDER_WAY_BYTES

    @property
    def reserve(self) -> int:
        """How much is made free for captures, where files can go for it."""
        part = min(self.max_bytes // _RESERVE_PART, _MOST_RESERVE)
        return max(part, _LEAST_PART * self.under_way)

    @property
    def least(self) -> int:
        """With less than this to be written, captures stop."""
        return max(self.reserve // _LEAST_PART, 2 * self.under_way)

    def room(self, usage: int, free: int) -> int:
        """Return how much may be written; negative where a bound is passed already."""
        return min(self.max_bytes - usage, free - self.floor)


@dataclass(frozen=True, slots=True)
class DiskBudget:
    """What the administrator allows; `max_bytes` None is the default, 0 as much as there is.

    Of the two floors the higher one holds. The share of a namespace is one of `max_bytes`. How much
    the engine has `under_way` is not the administrator's: it is that of its threads.
    """

    max_bytes: int | None = None
    min_free_bytes: int = DEFAULT_MIN_FREE_BYTES
    min_free_percent: int = DEFAULT_MIN_FREE_PERCENT
    namespace_percent: int = DEFAULT_NAMESPACE_PERCENT
    under_way: int = UNDER_WAY_BYTES

    def bounds(self, total: int) -> Bounds:
        """Return the bounds on a file system of so many bytes."""
        floor = max(self.min_free_bytes, total * self.min_free_percent // 100)
        wanted = self.max_bytes
        if wanted is None:
            wanted = min(DEFAULT_MAX_BYTES, total * DEFAULT_MAX_PERCENT // 100)
        max_bytes = min(wanted or total, max(total - floor, 0))
        share = max_bytes * self.namespace_percent // 100
        return Bounds(max_bytes, floor, share, self.under_way)


@dataclass(frozen=True, slots=True)
class Pressure:
    """Why captures must not run now: an empty text where they may.

    `everywhere` is true of all, `namespaces` of those in some, each with its reason.
    """

    everywhere: str = ""
    namespaces: tuple[tuple[str, str], ...] = ()

    def reason_in(self, namespace: str) -> str:
        """Return why captures of a namespace must not run, an empty text if they may."""
        return self.everywhere or dict(self.namespaces).get(namespace, "")

    def __bool__(self) -> bool:
        """Whether any must not."""
        return bool(self.everywhere or self.namespaces)


NO_PRESSURE: Final = Pressure()


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done: files to remove in this order, who must not run, and what may be written.

    `room` is that before anything is removed: what is removed may still be open somewhere.
    """

    remove: tuple[StoredFile, ...]
    pressure: Pressure
    room: int


def decide(
    files: Collection[StoredFile],
    disk: Disk,
    bounds: Bounds,
    *,
    before: Pressure = NO_PRESSURE,
    is_wanted: bool,
) -> Decision:
    """Decide about the files of captures as they are.

    `before` is the pressure until now, `is_wanted` whether any capture runs or would.
    """
    usage = _usage(files)
    room = bounds.room(usage.total(), disk.free)
    removable = [each for each in files if each.is_rotated and each.size]
    beyond = tuple(_beyond_share(removable, usage, bounds))
    left = room + sum(each.size for each in beyond)
    gone = {id(each) for each in beyond}
    others = [each for each in removable if id(each) not in gone]
    attainable = left + sum(each.size for each in others)
    is_over = attainable < (bounds.reserve if before.everywhere else bounds.least)
    goal = 0
    if is_wanted and not is_over:
        goal = bounds.reserve if attainable >= bounds.reserve else bounds.least
    remove = (*beyond, *_oldest(others, goal - left))
    usage.subtract(_usage(remove))
    pressure = Pressure(
        (before.everywhere or _why(disk, bounds, room)) if is_over else "",
        tuple(_over_share(usage, bounds, before)),
    )
    return Decision(remove, pressure, room)


def _beyond_share(
    removable: Collection[StoredFile], usage: Mapping[str, int], bounds: Bounds
) -> Iterator[StoredFile]:
    """Give the oldest files of those namespaces that have more than their share."""
    for namespace in sorted(usage):
        excess = usage[namespace] - bounds.namespace_bytes
        if excess > 0:
            yield from _oldest((each for each in removable if each.namespace == namespace), excess)


def _over_share(
    usage: Mapping[str, int], bounds: Bounds, before: Pressure
) -> Iterator[tuple[str, str]]:
    """Give the namespaces that have more than their share of what cannot be removed, and why."""
    stopped, share = dict(before.namespaces), bounds.namespace_bytes
    for namespace in sorted(usage):
        # What stopped goes on once there is something to go on with.
        slack = share // _RESERVE_PART if namespace in stopped else 0
        if usage[namespace] > share - slack:
            text = f"captures of namespace {namespace} have {render_size(share)}, its share"
            yield namespace, f"{text} of the node"


def _why(disk: Disk, bounds: Bounds, room: int) -> str:
    if room == disk.free - bounds.floor:
        floor, total = render_size(bounds.floor), render_size(disk.total)
        return f"captures leave {floor} of the file system's {total} free, and no more is"
    return f"captures have {render_size(bounds.max_bytes)}, the most on this node"


def _usage(files: Iterable[StoredFile]) -> Counter[str]:
    usage = Counter[str]()
    for each in files:
        usage[each.namespace] += each.size
    return usage


def _oldest(files: Iterable[StoredFile], needed: int) -> Iterator[StoredFile]:
    """Give as many of the oldest files as have the bytes that are needed, or all."""
    if needed <= 0:
        return
    for each in sorted(files, key=lambda file: (file.changed_ns, file.name)):
        yield each
        needed -= each.size
        if needed <= 0:
            return
