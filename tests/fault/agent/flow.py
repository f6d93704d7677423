"""Packets that flow from several pods all the time; each of a pod has a number of its own."""

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Final

from apiserver.serving.clock import utc_now
from tests.support.netns import Pod, Sender, frame

_BURST: Final = 5
_PAUSE_SECONDS: Final = 0.002
_SIZES: Final = range(60, 1400)
# Where the number is in a frame, and the checksum that would have to follow it: nobody looks at that.
_NUMBER: Final = slice(27, 30)


class Flow:
    """The packets of one pod: they flow while it `is_on`. `following` is the number of the next one."""

    def __init__(self, sender: Sender, seed: int) -> None:
        self.is_on = False
        self.following = 1
        self._sender = sender
        self._templates = _templates(random.Random(seed))
        self._sending = threading.Lock()

    def send(self, count: int) -> tuple[datetime, datetime]:
        """Send some packets at once; return the times before and after."""
        with self._sending:
            before = utc_now()
            for _ in range(count):
                content = next(self._templates)
                content[_NUMBER] = self.following.to_bytes(3, "big")
                self._sender.send_frame(bytes(content))
                self.following += 1
            return before, utc_now()

    def pause(self) -> None:
        """Let nothing flow from when this returns."""
        with self._sending:
            self.is_on = False

    def go_on(self) -> None:
        """Send some, if it is on."""
        if self.is_on:
            self.send(_BURST)


def _templates(chance: random.Random) -> Iterator[bytearray]:
    frames = [bytearray(frame(0, size=chance.choice(_SIZES))) for _ in range(97)]
    while True:
        yield from frames


@contextmanager
def flowing(pods: Sequence[Pod], *, seed: int) -> Iterator[list[Flow]]:
    """Let packets flow from pods inside the block, from one thread."""
    is_over = threading.Event()
    with ExitStack() as stack:
        flows = [Flow(stack.enter_context(pod.open_sender()), seed) for pod in pods]

        def run() -> None:
            while not is_over.wait(_PAUSE_SECONDS):
                for flow in flows:
                    flow.go_on()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield flows
        finally:
            is_over.set()
            thread.join()
