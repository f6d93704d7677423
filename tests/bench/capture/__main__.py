"""`make bench-capture`: capturing beside tcpdump, in one run: python -m tests.bench.capture.

Both sides capture the same packets with the same filter to the same file system, in turns; a figure
is the median of its rounds, and what counts is the ratio. Sender and receiver are processes of their
own. On a veth pair the sender's system call does the receiving side's work as well, up to the copy
into the ring, so neither side is charged for that.

tcpdump has its defaults, see `captors`. Goals that are missed make the exit status 1.
"""

import argparse
import os
import signal
import sys
import tempfile
from ctypes import CDLL, get_errno
from pathlib import Path

from tests.bench.capture.effort import QUICK, Effort
from tests.bench.capture.objects import installed
from tests.bench.capture.packets import many_interfaces, one_interface
from tests.bench.capture.rows import summary, table
from tests.bench.capture.streams import tcp_stream
from tests.support.netns import ip

_CLONE_NEWNET = 0x4000_0000

_PARTS = {
    "one": one_interface,
    "many": many_interfaces,
    "stream": tcp_stream,
    "objects": installed,
}


def main() -> int:
    """Measure and print; single rounds are told on standard error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, and shorter ones")
    parser.add_argument(
        "--directory", type=Path, default=tempfile.gettempdir(), help="where the files go"
    )
    parser.add_argument("--only", nargs="+", choices=_PARTS, default=list(_PARTS))
    options = parser.parse_args()
    # So that links and namespaces are removed, whoever ends it.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    effort = QUICK if options.quick else Effort()
    _enter_new_namespace()
    before = os.getloadavg()[0]
    rows = [row for part in options.only for row in _PARTS[part](options.directory, effort)]
    print(table(rows))
    print(
        f"{summary(rows)} ({effort.rounds} rounds, {os.cpu_count()} processors, "
        f"load {before:.1f} before and {os.getloadavg()[0]:.1f} after)"
    )
    return 0 if all(row.met for row in rows) else 1


def _enter_new_namespace() -> None:
    """Make a network namespace the node's: what others do to links is told to the engine, too."""
    libc = CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        raise OSError(get_errno(), "unshare")
    ip("link", "set", "lo", "up")


if __name__ == "__main__":
    sys.exit(main())
