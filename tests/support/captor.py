"""An engine in a process of its own, which can be stopped, starved and asked what it has counted."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from nodeagent.capture.allowance import Allowance
from nodeagent.capture.counters import Tally
from nodeagent.capture.engine import open_engine
from nodeagent.capture.events import Event, Rotated
from nodeagent.capture.rotation import Rotation
from tests.support.filters import pcap_filter
from tests.support.netns import PORT, Pod

ROOT = Path(__file__).resolve().parents[2]
_KEY = "captor"
# They mean the same.
_FILTERS = tuple(map(pcap_filter, (f"udp dst port {PORT}", f"udp and dst port {PORT}")))


@dataclass(frozen=True, slots=True)
class Counted:
    """What an engine says at the end; `files` by their names."""

    total: Tally
    files: Mapping[str, Tally]


class Captor:
    """A process that captures. Made by `capturing`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.pid = process.pid
        self._orders: IO[str] = process.stdin
        self._answers: IO[str] = process.stdout

    def pause(self) -> None:
        """Give it no processor until it is resumed."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def swap(self) -> None:
        """Have it go on with another filter that means the same."""
        self._ask("swap")

    def stop(self) -> Counted:
        """Have it stop, and return what it has counted."""
        total, files = json.loads(self._ask("stop"))
        return Counted(Tally(*total), {name: Tally(*tally) for name, tally in files.items()})

    def _ask(self, order: str) -> str:
        self._orders.write(f"{order}\n")
        self._orders.flush()
        return self._answers.readline()


@contextmanager
def capturing(
    pod: Pod,
    path: Path,
    *,
    ring_bytes: int,
    allowance: Allowance = Allowance(),  # noqa: B008 - it cannot be changed
    rotation: Rotation = Rotation(),  # noqa: B008 - as above
) -> Iterator[Captor]:
    """Capture the test packets of a pod to `path` inside the block."""
    job = [pod.interface, str(path), ring_bytes, allowance.packets, rotation.size]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.captor", json.dumps(job)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        captor = Captor(process)
        try:
            assert captor._answers.readline() == "ready\n"
            yield captor
        finally:
            captor.resume()
            captor._orders.close()


# The process that captures.


async def _capture(
    interface: str, path: str, ring_bytes: int, packets: int | None, size: int | None
) -> None:
    files: dict[str, Tally] = {}

    def hear(event: Event) -> None:
        if isinstance(event, Rotated):
            files[event.file.name] = event.file.tally

    async with open_engine(hear, ring_bytes=ring_bytes) as engine:
        await engine.start(
            _KEY,
            interface=interface,
            packet_filter=_FILTERS[0],
            path=Path(path),
            allowance=Allowance(packets),
            rotation=Rotation(size),
        )
        print("ready", flush=True)
        swaps = 0
        while order := await asyncio.to_thread(sys.stdin.readline):
            if order == "swap\n":
                swaps += 1
                await engine.swap(_KEY, packet_filter=_FILTERS[swaps % 2])
                print("swapped", flush=True)
                continue
            final = await engine.stop(_KEY)
            files[final.path.name] = final.file
            told = {name: _numbers(tally) for name, tally in files.items()}
            print(json.dumps([_numbers(final.total), told]), flush=True)


def _numbers(tally: Tally) -> list[int]:
    return [tally.packets, tally.bytes, tally.dropped_ring, tally.dropped_writer]


if __name__ == "__main__":
    asyncio.run(_capture(*json.loads(sys.argv[1])))
