"""In which files an endpoint is captured: what its capture says, else Felix; the node bounds it. Pure.

Felix's names, defaults and rules: calico-semantics 6.2. A capture may ask for more than those, up to
maxima of the node, which are ours (DESIGN 9.3).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from apiserver.resource.types import Limits
from nodeagent.capture.rotation import NEVER, Rotation
from nodeagent.files.sizes import render_size

# CaptureMaxSizeBytes, CaptureRotationSeconds, CaptureMaxFiles.
FELIX_SIZE: Final = 10_000_000
FELIX_SECONDS: Final = 3600
FELIX_FILES: Final = 2

DEFAULT_MAX_SIZE: Final = 1 << 30
DEFAULT_MAX_FILES: Final = 100


@dataclass(frozen=True, slots=True)
class SegmentRules:
    """What holds on this node: Felix's parameters, and how far a capture may go beyond them.

    Sizes are in bytes; `files` are the rotated ones that are kept beside the active one.
    """

    size: int = FELIX_SIZE
    seconds: float = FELIX_SECONDS
    files: int = FELIX_FILES
    max_size: int = DEFAULT_MAX_SIZE
    max_files: int = DEFAULT_MAX_FILES


FELIX_RULES: Final = SegmentRules()


@dataclass(frozen=True, slots=True)
class Segments:
    """The files of one endpoint: when they rotate, and how many rotated ones are kept.

    `message` says what the capture asked for and does not get here; empty where it gets everything.
    """

    rotation: Rotation
    keep: int
    message: str = ""


UNBOUNDED: Final = Segments(NEVER, keep=0)


def segments_of(limits: Limits, rules: SegmentRules) -> Segments:
    """Return the files that a capture with these limits gets on a node with these rules.

    What Felix is told is the administrator's own word: the maxima are never below it.
    """
    max_size, max_files = max(rules.max_size, rules.size), max(rules.max_files, rules.files)
    size = rules.size if limits.file_size is None else limits.file_size
    files = rules.files if limits.files is None else limits.files
    every = limits.rotate_every
    return Segments(
        Rotation(min(size, max_size), rules.seconds if every is None else every.total_seconds()),
        min(files, max_files),
        "; ".join(_clamped(size, files, max_size=max_size, max_files=max_files)),
    )


def _clamped(size: int, files: int, *, max_size: int, max_files: int) -> Iterator[str]:
    if size > max_size:
        yield f"fileSize is {render_size(max_size)}, the most on this node"
    if files > max_files:
        yield f"files is {max_files}, the most on this node"
