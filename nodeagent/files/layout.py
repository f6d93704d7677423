"""Where files of captures lie: `{captureDir}/{namespace}/{name}/{file}`. Pure.

Every part of a path comes from elsewhere: an object, a request, a file's own content. So each is
checked here, and what is not a plain name makes no path. Files of an earlier object of the same name
lie in `{captureDir}/{namespace}/~{uid}`; no object's name has a `~`.
"""

import re
from pathlib import Path
from typing import Final

from apiserver.resource.filenames import MAX_NAME_BYTES, parse

STATE_FILE: Final = ".capture.json"
STATE_DRAFT: Final = ".capture.json.draft"

# A file that is about to take an active file's name: `.{name}.next`, which nothing lists or serves.
_DRAFT: Final = ".{}.next"
_DRAFT_NAME = re.compile(r"\.(.+)\.next")

MAX_OBJECT_NAME_LENGTH: Final = 253
_PLAIN_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


class UnsafeNameError(Exception):
    """A name that cannot be part of a path: `what` it should name, and the name."""

    def __init__(self, what: str, name: str) -> None:
        super().__init__(f"{name!r} cannot be the name of a {what}")
        self.what = what
        self.name = name


def capture_directory(root: Path, namespace: str, name: str) -> Path:
    """Return the directory of a capture's files. Raises UnsafeNameError."""
    return root / _plain("namespace", namespace) / _plain("capture", name)


def set_aside_directory(directory: Path, uid: str, *, attempt: int = 0) -> Path:
    """Return where the files in a capture's directory go if they are those of another object.

    `attempt` makes further names where one is taken. Raises UnsafeNameError.
    """
    suffix = f".{attempt}" if attempt else ""
    return directory.with_name(f"~{_plain('uid', uid)}{suffix}")


def file_in(directory: Path, name: str) -> Path:
    """Return the path of a capture file. Raises UnsafeNameError where the name is none of those."""
    if parse(name) is None or len(name.encode(errors="surrogateescape")) > MAX_NAME_BYTES:
        raise UnsafeNameError("capture file", name)
    return directory / name


def draft_of(active: Path) -> Path:
    """Return where the file is made that is to take the place of an active one."""
    return active.with_name(_DRAFT.format(active.name))


def drafted_name(name: str) -> str | None:
    """Return the name that a draft is to take, None where `name` is none of a draft."""
    found = _DRAFT_NAME.fullmatch(name)
    return found[1] if found and parse(found[1]) else None


def _plain(what: str, name: str) -> str:
    if len(name) > MAX_OBJECT_NAME_LENGTH or not _PLAIN_NAME.fullmatch(name):
        raise UnsafeNameError(what, name)
    return name
