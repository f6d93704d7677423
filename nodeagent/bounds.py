"""Flags that bound what captures may take of a node: its disk, the files of one interface, memory.

Felix's parameters are the defaults of what a capture may say for itself (calico-semantics 6.2). All
that is wrong with the flags is said at once.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from nodeagent.capture.ringbudget import (
    DEFAULT_BUDGET_BYTES,
    LARGEST_RING_BYTES,
    SMALLEST_RING_BYTES,
)
from nodeagent.capture.segments import (
    DEFAULT_MAX_FILES,
    DEFAULT_MAX_SIZE,
    FELIX_FILES,
    FELIX_SECONDS,
    FELIX_SIZE,
    SegmentRules,
)
from nodeagent.felix import FelixParameters
from nodeagent.files.pressure import (
    DEFAULT_MAX_BYTES,
    DEFAULT_MAX_PERCENT,
    DEFAULT_MIN_FREE_BYTES,
    DEFAULT_MIN_FREE_PERCENT,
    DEFAULT_NAMESPACE_PERCENT,
    MEBIBYTE,
    DiskBudget,
)
from nodeagent.files.sizes import parse_size, render_size

# With less, captures would stop as soon as they begin: see `nodeagent.files.pressure.Bounds`.
SMALLEST_MAX_BYTES: Final = 64 * MEBIBYTE
# That of a capture's own `fileSize`.
SMALLEST_MAX_FILE_SIZE: Final = MEBIBYTE
WHOLE_PERCENT: Final = 100


@dataclass(frozen=True, slots=True)
class Bounds:
    """What captures may take: `disk` in all, `segments` for each interface, and rings in memory."""

    disk: DiskBudget
    segments: SegmentRules
    ring_bytes: int
    ring_memory_bytes: int


def add_bounds(parser: argparse.ArgumentParser) -> None:
    """Add the flags; sizes are quantities such as `10M` or `1Gi`."""
    _add_disk(parser)
    add = parser.add_argument_group("files and memory").add_argument
    add(
        "--max-file-size",
        type=_size,
        default=DEFAULT_MAX_SIZE,
        metavar="SIZE",
        help=f"largest fileSize that a capture gets; default: {render_size(DEFAULT_MAX_SIZE)}. "
        "Without one, FELIX_CaptureMaxSizeBytes is its size",
    )
    add(
        "--max-files",
        type=int,
        default=DEFAULT_MAX_FILES,
        metavar="COUNT",
        help=f"most rotated files that a capture keeps of an interface; default: {DEFAULT_MAX_FILES}. "
        "Where it does not say, FELIX_CaptureMaxFiles are kept",
    )
    add(
        "--ring-buffer-size",
        type=_size,
        default=LARGEST_RING_BYTES,
        metavar="SIZE",
        help="memory of an interface for packets that are not yet written, less where many are captured;"
        f" default: {render_size(LARGEST_RING_BYTES)}",
    )
    add(
        "--ring-memory",
        type=_size,
        default=DEFAULT_BUDGET_BYTES,
        metavar="SIZE",
        help=f"memory of all these rings together; default: {render_size(DEFAULT_BUDGET_BYTES)}",
    )


def _add_disk(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group(
        "disk",
        "Where one of these is reached, the oldest rotated files go; where none is left, captures stop "
        "with DiskPressure, and go on by themselves once there is room again.",
    ).add_argument
    add(
        "--max-bytes",
        type=_size,
        metavar="SIZE",
        help="most that all capture files of this node take; 0: as much as there is; "
        f"default: {DEFAULT_MAX_PERCENT} %% of the file system, at most {render_size(DEFAULT_MAX_BYTES)}",
    )
    add(
        "--min-free-bytes",
        type=_size,
        default=DEFAULT_MIN_FREE_BYTES,
        metavar="SIZE",
        help="what captures leave free of the file system; "
        f"default: {render_size(DEFAULT_MIN_FREE_BYTES)}",
    )
    add(
        "--min-free-percent",
        type=int,
        default=DEFAULT_MIN_FREE_PERCENT,
        metavar="PERCENT",
        help="the same as a part of it, the larger one holds; the kubelet evicts pods below 15 %% where "
        f"images are on it, below 10 %% otherwise; default: {DEFAULT_MIN_FREE_PERCENT}",
    )
    add(
        "--max-bytes-per-namespace-percent",
        type=int,
        default=DEFAULT_NAMESPACE_PERCENT,
        metavar="PERCENT",
        help="part of --max-bytes that the captures of one namespace take at most; "
        f"default: {DEFAULT_NAMESPACE_PERCENT}",
    )


def read_bounds(options: argparse.Namespace, felix: FelixParameters) -> Bounds:
    """Return what the flags say that `add_bounds` added, and Felix's parameters."""
    return Bounds(
        disk=DiskBudget(
            max_bytes=options.max_bytes,
            min_free_bytes=options.min_free_bytes,
            min_free_percent=options.min_free_percent,
            namespace_percent=options.max_bytes_per_namespace_percent,
        ),
        segments=SegmentRules(
            size=felix.integer("CaptureMaxSizeBytes", FELIX_SIZE),
            seconds=felix.integer("CaptureRotationSeconds", FELIX_SECONDS),
            files=felix.integer("CaptureMaxFiles", FELIX_FILES),
            max_size=options.max_file_size,
            max_files=options.max_files,
        ),
        ring_bytes=options.ring_buffer_size,
        ring_memory_bytes=options.ring_memory,
    )


def bounds_problems(options: argparse.Namespace) -> Iterator[str]:
    """Give what cannot work about these flags."""
    if options.max_bytes and options.max_bytes < SMALLEST_MAX_BYTES:
        yield f"--max-bytes must be 0, or at least {render_size(SMALLEST_MAX_BYTES)}"
    if not 0 <= options.min_free_percent < WHOLE_PERCENT:
        yield f"--min-free-percent must be a number from 0 to {WHOLE_PERCENT - 1}"
    if not 1 <= options.max_bytes_per_namespace_percent <= WHOLE_PERCENT:
        yield f"--max-bytes-per-namespace-percent must be a number from 1 to {WHOLE_PERCENT}"
    if options.max_file_size < SMALLEST_MAX_FILE_SIZE:
        yield f"--max-file-size must be at least {render_size(SMALLEST_MAX_FILE_SIZE)}"
    if options.max_files < 1:
        yield "--max-files must be a number from 1 on"
    if options.ring_buffer_size < SMALLEST_RING_BYTES:
        yield f"--ring-buffer-size must be at least {render_size(SMALLEST_RING_BYTES)}"
    if options.ring_memory < options.ring_buffer_size:
        yield "--ring-memory must be at least --ring-buffer-size"


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
