"""Waiting for what happens to directories."""

from pathlib import Path

from asyncinotify import Inotify, Mask


def until_removed(directory: Path, *, seconds: float = 10.0) -> None:
    """Return when a directory is gone. Blocks; raises TimeoutError if it stays."""
    with Inotify(sync_timeout=seconds) as notices:
        try:
            notices.add_watch(directory, Mask.DELETE_SELF)
        except OSError:
            return
        if next(iter(notices), None) is None:
            raise TimeoutError(f"{directory} is still there")
