"""A fast sender: packets from pods, many per system call (sendmmsg), in turns.

It is a process of its own on a processor of its own, so that its processor time is nobody else's.
Python takes part once per batch: what bounds it is the kernel, which for each packet allocates,
copies, and does the receiving side's work as well, up to the copies into the rings.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import cycle

from tests.support.netns import Pod, frame
from tests.support.sendmmsg import BATCH, ffi, libc


def flood(pods: Sequence[Pod], *, packets: int, size: int, rate: int = 0) -> float:
    """Send so many packets of `size` bytes, in turns from all pods; return how many per second.

    `rate` is what to keep to, in packets per second of all pods; 0: as fast as it goes.
    """
    numbers = [str(each) for each in (packets, size, rate)]
    names = [f"{pod.namespace}/{pod.interface}" for pod in pods]
    command = [sys.executable, "-m", __spec__.name, *numbers, *names]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def send(pods: Sequence[Pod], *, packets: int, size: int, rate: int) -> float:
    """Send from this process, on the last processor that it may use; otherwise as `flood`."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    content = ffi.from_buffer(frame(0, size=size))
    parts = ffi.new("struct iovec[]", [(content, size)])
    messages = ffi.new("struct mmsghdr[]", BATCH)
    for message in messages:
        message.msg_hdr.msg_iov, message.msg_hdr.msg_iovlen = parts, 1
    with ExitStack() as stack:
        senders = [stack.enter_context(pod.open_sender()).socket.fileno() for pod in pods]
        sent, began, turns = 0, time.monotonic(), cycle(senders)
        while sent < packets:
            if rate and sent > rate * (time.monotonic() - began):
                continue
            count = libc.sendmmsg(next(turns), messages, min(BATCH, packets - sent), 0)
            if count < 0:
                raise OSError(ffi.errno, "sendmmsg")
            sent += count
        return sent / (time.monotonic() - began)


def main() -> None:
    """Be the sender's process; say the rate that was reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("packets", "size", "rate"):
        parser.add_argument(name, type=int)
    parser.add_argument("pods", nargs="+", metavar="NAMESPACE/INTERFACE")
    options = parser.parse_args()
    pods = [Pod(*each.split("/")) for each in options.pods]
    print(send(pods, packets=options.packets, size=options.size, rate=options.rate))


if __name__ == "__main__":
    main()
