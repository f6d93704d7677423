"""`captured-packets clean`: remove the files of captures that are over.

The agent's memory of a capture stays, because its object may exist still: without it a capture that has
reached its limit would begin anew. Of an object that is gone (`~{uid}`) everything is removed.
"""

import fcntl
import os
import shutil
from contextlib import suppress
from typing import Final

from nodeagent.capturedpackets.found import NotAFileError, OpenCapture

# Nobody lists it, and the next clean puts another file in its place.
_REMOVED: Final = ".removed"


class BeingWrittenError(Exception):
    """A capture runs, as far as the kernel can tell: `file` is being written."""

    def __init__(self, capture: OpenCapture, file: str) -> None:
        super().__init__(f"{capture}: {file} is being written")
        self.capture = str(capture)
        self.file = file


def clean_files(capture: OpenCapture) -> None:
    """Remove the files of a capture.

    Raises:
        BeingWrittenError: One of its files is being written: nothing is removed, unless that file came
            only now.
        OSError: A file cannot be removed.
    """
    # Not two of us at a time.
    fcntl.flock(capture.directory, fcntl.LOCK_EX)
    names = tuple(capture.files())
    for name in names:
        _refuse_written(capture, name)
    for name in names:
        _remove(capture, name)
    if capture.is_set_aside:
        shutil.rmtree(capture.name, dir_fd=capture.parent)
    elif capture.state() is None:
        with suppress(OSError):  # somebody keeps something in it
            os.rmdir(capture.name, dir_fd=capture.parent)


def _refuse_written(capture: OpenCapture, name: str, *, known_as: str = "") -> None:
    with suppress(FileNotFoundError, NotAFileError), capture.open(name) as file:
        if file.is_written():
            raise BeingWrittenError(capture, known_as or name)


def _remove(capture: OpenCapture, name: str) -> None:
    """Take a file's name away, then look again: nobody can begin to write it from there on.

    The agent may have begun another file of this name since it was looked at.
    """
    here = capture.directory
    try:
        os.rename(name, _REMOVED, src_dir_fd=here, dst_dir_fd=here)
    except FileNotFoundError:
        return
    try:
        _refuse_written(capture, _REMOVED, known_as=name)
    except BeingWrittenError:
        # Never in the place of a still newer one, as a rename would put it.
        os.link(_REMOVED, name, src_dir_fd=here, dst_dir_fd=here)
        raise
    finally:
        os.unlink(_REMOVED, dir_fd=here)
