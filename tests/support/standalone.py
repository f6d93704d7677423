"""`python -m apiserver.standalone` as a person starts it: with a directory, until a signal."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KUBECTL = ROOT / ".tools" / "bin" / "kubectl"
STOP_SECONDS = 30


class NotReadyError(Exception):
    """The programs ended, or said nothing, before they were ready."""


@dataclass(frozen=True, slots=True)
class Standalone:
    """A running installation."""

    process: subprocess.Popen[str]
    kubeconfig: Path
    state: Path
    captures: Path
    node: str


@contextmanager
def standalone(
    state: Path, *, workloads: Path, node: str, captures: Path | None = None
) -> Iterator[Standalone]:
    """Run API server and agent inside the block, on free ports, with all state under `state`."""
    captures = captures or state / "pcap"
    arguments = [
        f"--state-dir={state}",
        f"--workloads={workloads}",
        f"--capture-dir={captures}",
        f"--node={node}",
        "--secure-port=0",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "apiserver.standalone", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("ready"):
                break
        else:
            raise NotReadyError(f"exit status {process.wait()}")
        yield Standalone(process, state / "kubeconfig", state, captures, node)
    finally:
        stop(process)


def stop(process: subprocess.Popen[str]) -> None:
    """End the programs as Ctrl-C does."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    finally:
        process.kill()
        assert process.stdout is not None
        process.stdout.close()


def kubectl_environment(kubeconfig: Path, home: Path) -> dict[str, str]:
    """Return an environment in which `kubectl` is the one of the tests and talks to `kubeconfig`."""
    path = f"{KUBECTL.parent}:{os.environ['PATH']}:/usr/sbin:/sbin"
    return os.environ | {"KUBECONFIG": str(kubeconfig), "PATH": path, "HOME": str(home)}
