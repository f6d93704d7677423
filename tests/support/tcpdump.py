"""tcpdump as the judge: what it sees on an interface, and what it finds in a file."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NUMBER = re.compile(r"IP 10\.(\d+)\.(\d+)\.(\d+)\.\d+ > 192\.0\.2\.1\.(\d+):")


def read_numbers(path: Path) -> list[int]:
    """Return the numbers of the packets (`tests.support.netns`) of a file, in its order."""
    parts = [list(map(int, match.groups())) for match in _NUMBER.finditer(read_text(path))]
    return [(high << 16) + (middle << 8) + low for high, middle, low, _ in parts]


def read_ports(path: Path) -> set[int]:
    """Return the destination ports of the packets of a file."""
    return {int(match[4]) for match in _NUMBER.finditer(read_text(path))}


def read_text(path: Path, *options: str) -> str:
    """Return what `tcpdump -r` says of a file; raise CalledProcessError if it finds it broken."""
    command = ["tcpdump", "-nn", "-t", *options, "-r", str(path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@contextmanager
def watched_by_tcpdump(
    interface: str, expression: str, path: Path, *, packets: int
) -> Iterator[None]:
    """Let tcpdump capture to `path` from before the block until it has as many packets."""
    command = ["tcpdump", "-i", interface, "-n", "-B", "16384", "-c", str(packets), "-Z", "root"]
    with subprocess.Popen(
        [*command, "-w", str(path), expression], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            while "listening on" not in (line := process.stderr.readline()):
                assert line, "tcpdump ended before it listened"
            yield
            process.communicate()  # it ends by itself
        finally:
            process.kill()
