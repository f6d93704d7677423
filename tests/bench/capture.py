"""The capture engine beside `tcpdump -w`, in one run: python -m tests.bench.capture.

Both capture the same packets of a veth pair with the same filter and snap length to the same
directory, one after the other, in turns. What is compared is processor time (user and system) from
"ready" to "everything is in the file", of the whole process; and the packets that each lost. The
sender is a third process; on a veth pair it also does the kernel's share of receiving, up to the
copy into the ring, so neither side is charged for that.

tcpdump runs with its defaults: a ring of 2 MiB, a timeout of 1 s, microseconds. Then the processor
time of twenty rings on an interface without traffic.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from nodeagent.capture.engine import open_engine
from tests.bench.flood import flood
from tests.support.filters import pcap_filter
from tests.support.netns import PORT, Pod, open_pod

FILTER = f"udp dst port {PORT}"
PACKET_BYTES = 100
RECORD_BYTES = 16 + PACKET_BYTES
FILE_HEADER_BYTES = 24
SNAP_BYTES = 262_144
TCPDUMP_LAST_BLOCK_SECONDS = 1.5
IDLE_RINGS = 20


@dataclass(frozen=True, slots=True)
class Run:
    """One capture: seconds of processor time, packets in the file, packets per second sent."""

    seconds: float
    packets: int
    rate: float


def main() -> int:
    """Compare and print; the exit status is 1 if a target is missed."""
    options = _parse()
    with open_pod() as pod, tempfile.TemporaryDirectory(dir=options.directory) as directory:
        runs: dict[str, list[Run]] = {"engine": [], "tcpdump": []}
        sides: dict[str, Callable[..., Run]] = {"engine": run_engine, "tcpdump": run_tcpdump}
        for pair in range(options.pairs):
            for name in sorted(sides, reverse=bool(pair % 2)):
                path = Path(directory, f"{name}.pcap")
                run = sides[name](pod, path, packets=options.packets, rate=options.rate)
                path.unlink()
                runs[name].append(run)
                _print_run(name, run, options.packets)
        ratio = _print_summary(runs)
        idle = idle_percent(pod, Path(directory), seconds=options.idle_seconds)
    print(f"{IDLE_RINGS} idle rings: {idle:.2f} % of a core (target: below 1 %)")
    lossless = all(run.packets == options.packets for run in runs["engine"])
    is_met = ratio <= 1.1 and lossless and idle < 1
    print("all targets met" if is_met else "a target is missed")
    return 0 if is_met else 1


def run_engine(pod: Pod, path: Path, *, packets: int, rate: int) -> Run:
    """Capture a flood with the engine."""
    with _engine_process(pod, [path]) as child:
        before = _cpu_seconds(child.pid)
        sent_rate = flood(pod, packets=packets, size=PACKET_BYTES, rate=rate)
        _ask(child)
        return Run(_cpu_seconds(child.pid) - before, _packets_in(path), sent_rate)


def run_tcpdump(pod: Pod, path: Path, *, packets: int, rate: int) -> Run:
    """Capture a flood with tcpdump."""
    command = ["tcpdump", "-i", pod.interface, "-n", "-s", str(SNAP_BYTES), "-Z", "root"]
    with subprocess.Popen(
        [*command, "-w", str(path), FILTER], stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stderr is not None
        while "listening on" not in child.stderr.readline():
            pass
        before = _cpu_seconds(child.pid)
        sent_rate = flood(pod, packets=packets, size=PACKET_BYTES, rate=rate)
        time.sleep(TCPDUMP_LAST_BLOCK_SECONDS)
        child.send_signal(signal.SIGINT)
        _, _, usage = os.wait4(child.pid, 0)
        child.returncode = 0
    return Run(usage.ru_utime + usage.ru_stime - before, _packets_in(path), sent_rate)


def idle_percent(pod: Pod, directory: Path, *, seconds: float) -> float:
    """Return the processor time of idle rings, in per cent of one core."""
    paths = [directory / f"{each}.pcap" for each in range(IDLE_RINGS)]
    with _engine_process(pod, paths) as child:
        before = _cpu_seconds(child.pid)
        time.sleep(seconds)
        spent = _cpu_seconds(child.pid) - before
        _ask(child)
    return 100 * spent / seconds


async def capture(interface: str, paths: list[Path]) -> None:
    """Be the engine's process: say "ready", stop at a line, say the counters, go at the next."""
    async with open_engine(lambda _: None) as engine:
        for path in paths:
            await engine.start(
                path, interface=interface, packet_filter=pcap_filter(FILTER), path=path
            )
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        finals = [await engine.stop(path) for path in paths]
        print(json.dumps([final.total.packets for final in finals]), flush=True)
        await asyncio.to_thread(sys.stdin.readline)


@contextmanager
def _engine_process(pod: Pod, paths: list[Path]) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.bench.capture", "--engine", pod.interface]
    with subprocess.Popen(
        [*command, *map(str, paths)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        yield child


def _ask(child: "subprocess.Popen[str]") -> None:
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write("\n")
    child.stdin.flush()
    child.stdout.readline()


def _cpu_seconds(pid: int) -> float:
    # The clock id of another process's CPU clock (clock_getcpuclockid(3)): all its threads, in ns.
    return time.clock_gettime((~pid << 3) | 2)


def _packets_in(path: Path) -> int:
    return (path.stat().st_size - FILE_HEADER_BYTES) // RECORD_BYTES


def _print_run(name: str, run: Run, sent: int) -> None:
    print(
        f"{name:8} {run.seconds * 1000:7.1f} ms, {run.seconds / sent * 1e9:5.0f} ns per packet,"
        f" lost {sent - run.packets} of {sent} at {run.rate / 1000:.0f},000 packets/s",
        flush=True,
    )


def _print_summary(runs: dict[str, list[Run]]) -> float:
    medians = {name: median(run.seconds for run in those) for name, those in runs.items()}
    ratio = medians["engine"] / medians["tcpdump"]
    print(
        f"medians: engine {medians['engine'] * 1000:.1f} ms, "
        f"tcpdump {medians['tcpdump'] * 1000:.1f} ms, ratio {ratio:.2f} (target: at most 1.10)"
    )
    return ratio


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--packets", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=400_000, help="packets/s, 0: unlimited")
    parser.add_argument("--idle-seconds", type=float, default=10)
    parser.add_argument("--directory", type=Path, help="where the files go")
    return parser.parse_args()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--engine"]:
        asyncio.run(capture(sys.argv[2], [Path(each) for each in sys.argv[3:]]))
    else:
        sys.exit(main())
