"""tcpdump, running beside the capture and reading what was captured: the independent judge."""

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_COUNTS = re.compile(
    r"(?P<captured>\d+) packets? captured, (?P<received>\d+) packets? received by filter"
)


@dataclass(slots=True)
class Seen:
    """What tcpdump wrote to its file; known after its block."""

    packets: int = 0


@contextmanager
def captured_by_tcpdump(interface: str, expression: str, path: Path) -> Iterator[Seen]:
    """Run `tcpdump -w` on an interface inside the block, from before its first line to its end."""
    command = ["tcpdump", "-Z", "root", "-n", "-i", interface, "-w", str(path), expression]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    seen = Seen()
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "listening on" in line:
                break
        yield seen
        _until_all_is_written(process)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
    seen.packets = packets_in(path)


def _until_all_is_written(process: subprocess.Popen[str]) -> None:
    """Wait until tcpdump has written what its filter received.

    A tcpdump that is told to end leaves what is still in its ring; so it is asked for its counts
    (SIGUSR1) until they are equal.
    """
    assert process.stderr is not None
    for _ in range(100):
        process.send_signal(signal.SIGUSR1)
        counts = _COUNTS.search(process.stderr.readline())
        assert counts, "tcpdump does not say what it counted"
        if counts["captured"] == counts["received"]:
            return
        time.sleep(0.1)


def packets_in(path: Path) -> int:
    """Count the packets in a capture file, as tcpdump reads it."""
    done = subprocess.run(
        ["tcpdump", "--count", "-r", str(path)], capture_output=True, text=True, check=True
    )
    found = re.search(r"(\d+) packets?", done.stdout + done.stderr)
    assert found, done.stdout + done.stderr
    return int(found[1])
