"""Numbered packets as fast as it goes, from a process of their own; how many a link took is known.

Of each pod the packets are numbered from 0 on, as those of `tests.support.netns`, but for the checksum
of the IP header, which is not there. What a link does not take, as one that is down, is sent again under
the same number: so a receiver that misses none sees all numbers.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from tests.support.netns import Pod, Sender, frame
from tests.support.sendmmsg import BATCH, ffi, libc

ROOT = Path(__file__).resolve().parents[2]
# Where a packet's number is in its frame.
NUMBER_AT = 27
_CHECKSUM_AT = 24
# Of a link that is down or gone, or whose receiver is behind.
_PAUSE_SECONDS = 0.001
_BYTES = bytes(range(256)) * 2


class Flood:
    """A sender's process that runs. Made by `flooding`."""

    def __init__(self, pods: Sequence[Pod], process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._pods = pods
        self._end: IO[str] = process.stdin
        self._said: IO[str] = process.stdout
        self._sent: dict[Pod, int] | None = None

    def end(self) -> dict[Pod, int]:
        """Send no more; return how many packets of each pod its link took. Blocks a moment."""
        self._end.close()
        return self.wait()

    def wait(self) -> dict[Pod, int]:
        """Wait until all that was to be sent has been; return as `end`."""
        if self._sent is None:
            self._sent = dict(zip(self._pods, json.loads(self._said.readline()), strict=True))
        return self._sent


@contextmanager
def flooding(
    *pods: Pod, size: int = 60, packets: int = 0, rate: int = 0, burst: int = BATCH
) -> Iterator[Flood]:
    """Send from all pods in turns inside the block, frames of `size` bytes.

    `packets` of each pod, 0 for as many as it takes; `rate` of all pods per second, 0 for as fast as it
    goes; at most `burst` of a pod at a time.
    """
    names = [f"{pod.namespace}/{pod.interface}" for pod in pods]
    numbers = map(str, (size, packets, rate, burst))
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.flood", *numbers, *names],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        flood = Flood(pods, process)
        assert flood._said.readline() == "ready\n"
        try:
            yield flood
        finally:
            flood._end.close()


# The process that sends.


class _Numbered:
    """A pod's packets: so many at a time, each with the next number."""

    def __init__(self, sender: Sender, size: int) -> None:
        content = bytearray(frame(0, size=size))
        content[_CHECKSUM_AT : _CHECKSUM_AT + 2] = bytes(2)
        self._fd = sender.socket.fileno()
        self._size = size
        self._frames = content * BATCH
        self._kept = ffi.from_buffer("char[]", self._frames)
        self._parts: Any = ffi.new(
            "struct iovec[]", [(self._kept + size * number, size) for number in range(BATCH)]
        )
        self._messages: Any = ffi.new("struct mmsghdr[]", BATCH)
        for number in range(BATCH):
            header = self._messages[number].msg_hdr
            header.msg_iov, header.msg_iovlen = self._parts + number, 1
        self.sent = 0
        self.resting_until = 0.0

    def send(self, most: int) -> int:
        """Send some packets; return how many, 0 if the link takes none now."""
        number = self.sent
        for place, shift in enumerate((16, 8, 0)):
            self._frames[NUMBER_AT + place :: self._size] = _digits(number, shift)
        count: int = libc.sendmmsg(self._fd, self._messages, min(most, BATCH), 0)
        if count < 0:
            self.resting_until = time.monotonic() + _PAUSE_SECONDS
            return 0
        self.sent += count
        return count


def _digits(first: int, shift: int) -> bytes:
    """Return one of the bytes of each of a batch of numbers."""
    at, step = first >> shift & 255, 1 << shift
    if step == 1:
        return _BYTES[at : at + BATCH]
    before_next = min(BATCH, step - first % step)
    return _BYTES[at : at + 1] * before_next + _BYTES[at + 1 : at + 2] * (BATCH - before_next)


def _send(
    pods: list[_Numbered], *, packets: int, rate: int, burst: int, is_over: Callable[[], bool]
) -> None:
    total, began = 0, time.monotonic()
    while not is_over():
        now = time.monotonic()
        if rate and total > rate * (now - began):
            time.sleep(_PAUSE_SECONDS / 4)
            continue
        left = [each for each in pods if not packets or each.sent < packets]
        if not left:
            return
        for each in left:
            if now >= each.resting_until:
                total += each.send(min(burst, packets - each.sent) if packets else burst)


def main(arguments: list[str]) -> None:
    """Be the sender's process."""
    size, packets, rate, burst = map(int, arguments[:4])
    pods = [Pod(*each.split("/")) for each in arguments[4:]]
    # Whoever goes from one processor to another may overtake what is queued at the first.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    ending = threading.Event()

    def read() -> None:
        sys.stdin.read()
        ending.set()

    with ExitStack() as stack:
        senders = [stack.enter_context(pod.open_sender()) for pod in pods]
        numbered = [_Numbered(each, size) for each in senders]
        print("ready", flush=True)
        threading.Thread(target=read, daemon=True).start()
        _send(numbered, packets=packets, rate=rate, burst=burst, is_over=ending.is_set)
        print(json.dumps([each.sent for each in numbered]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
