"""Small file systems of their own, to be filled and to fail; root is needed."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_BLOCK_BYTES = 4096
# What a file system may need to keep account of the rest.
_LAST_BYTES = 1 << 20


@contextmanager
def mounted(directory: Path, *, mebibytes: int) -> Iterator[Path]:
    """Give an ext4 of so many MiB inside the block, none of which is kept for root."""
    image, place = directory / "image", directory / "mounted"
    with image.open("wb") as file:
        file.truncate(mebibytes << 20)
    place.mkdir()
    _run("mkfs.ext4", "-q", "-m", "0", "-b", str(_BLOCK_BYTES), str(image))
    _run("mount", "-o", "loop", str(image), str(place))
    try:
        yield place
    finally:
        # At once, also where something is still open in it.
        _run("umount", "--lazy", str(place))


@contextmanager
def in_memory(directory: Path, *, mebibytes: int = 1024) -> Iterator[Path]:
    """Give a file system in memory inside the block: what is flushed there waits for no disk."""
    place = directory / "memory"
    place.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(place))
    try:
        yield place
    finally:
        _run("umount", "--lazy", str(place))


def make_read_only(place: Path) -> None:
    """Let a file system be as one that the kernel found errors on; nothing may be open for writing."""
    _run("mount", "-o", "remount,ro", str(place))


def make_writable(place: Path) -> None:
    """Let a file system that was read-only be written to again."""
    _run("mount", "-o", "remount,rw", str(place))


def break_down(place: Path) -> None:
    """Let the kernel find an error on a file system: from now on it is read-only, whatever is open in it.

    What was written before is on the disk.
    """
    _run("sync", "--file-system", str(place))
    _run("mount", "-o", "remount,abort", str(place))


def mount_again(place: Path) -> None:
    """Mount what is left of a file system that broke down.

    From a copy: for as long as anything has the old one open or mounted, it is as it was.
    """
    image, copy = place.with_name("image"), place.with_name("copy")
    _run("umount", "--lazy", str(place))
    _run("cp", "--sparse=always", str(image), str(copy))
    _run("mount", "-o", "loop", str(copy), str(place))


def fill(place: Path, name: str = "hog") -> Path:
    """Have another writer take all room at once; return its file, which gives it back when removed."""
    hog = place / name
    found = os.statvfs(place)
    with hog.open("wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, found.f_bavail * found.f_frsize - _LAST_BYTES)
        file.seek(0, os.SEEK_END)
        with suppress(OSError):
            while True:
                file.write(bytes(_BLOCK_BYTES))
    return hog


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=30)
