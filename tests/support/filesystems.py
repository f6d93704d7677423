"""Small file systems of their own, to be filled and to fail; root is needed."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def mounted(directory: Path, *, mebibytes: int) -> Iterator[Path]:
    """Give an ext4 of so many MiB inside the block, none of which is kept for root."""
    image, place = directory / "image", directory / "mounted"
    with image.open("wb") as file:
        file.truncate(mebibytes << 20)
    place.mkdir()
    _run("mkfs.ext4", "-q", "-m", "0", "-b", "4096", str(image))
    _run("mount", "-o", "loop", str(image), str(place))
    try:
        yield place
    finally:
        # At once, also where something is still open in it.
        _run("umount", "--lazy", str(place))


def make_read_only(place: Path) -> None:
    """Let a file system be as one that the kernel found errors on; nothing may be open for writing."""
    _run("mount", "-o", "remount,ro", str(place))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=30)
