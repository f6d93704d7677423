"""A cluster with the product in it, to try it: `make cluster` and `make cluster-down`.

`up` starts `run` in the background and waits until it is ready; when that process ends, by
whatever signal, everything in the cluster ends.
"""

import argparse
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tests.cluster.cluster import open_cluster
from tests.cluster.install import install, prepare
from tests.cluster.samples import start_samples
from tests.support.standalone import KUBECTL, ROOT

DIRECTORY = ROOT / ".cluster"
READY = "ready"

_ADVICE = """\
The cluster is up, with two sample workloads, web and client. `make cluster-down` ends it.

    export KUBECONFIG={directory}/kubeconfig PATH=$PATH:{tools}
    kubectl get pods -A -o wide
    kubectl create -f manifests/samples/packetcapture.yaml
    kubectl get packetcaptures.p -A -w
    kubectl get --raw /apis/projectcalico.org/v3/namespaces/default/packetcaptures/http/files

Its logs are in {directory}/logs.
"""


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("command", choices=["up", "run", "down"])
    parser.add_argument("--directory", type=Path, default=DIRECTORY, help="for state and logs")
    parser.add_argument("--without-product", action="store_true", help="the cluster alone")
    options = parser.parse_args(arguments)
    if os.geteuid() != 0:
        sys.stderr.write("A cluster needs root, for its namespaces.\n")
        return 1
    directory = options.directory.absolute()
    match options.command:
        case "down":
            return down(directory)
        case "run":
            return run(directory, with_product=not options.without_product)
        case _:
            return up(directory, with_product=not options.without_product)


def run(directory: Path, *, with_product: bool) -> int:
    """Run a cluster until SIGTERM or Ctrl-C; say when it is ready."""
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, _leave)
    directory.mkdir(parents=True, exist_ok=True)
    with _lock(directory) as is_free:
        if not is_free:
            _say(f"A cluster runs in {directory} already; `make cluster-down` ends it.")
            return 1
        _clear(directory)
        (directory / "pid").write_text(str(os.getpid()))
        _say("starting etcd, kube-apiserver and two nodes")
        with open_cluster(directory) as cluster:
            if with_product:
                _say("building the image, if the code has changed")
                prepare(cluster)
                _say("installing the product")
                install(cluster)
                start_samples(cluster)
            _say(READY)
            signal.pause()
    return 0


def up(directory: Path, *, with_product: bool) -> int:
    """Start `run` in the background; return when it is ready, 1 if it never is."""
    command = [sys.executable, "-m", "tests.cluster", "run", f"--directory={directory}"]
    command += [] if with_product else ["--without-product"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.strip() == READY:
                sys.stdout.write(_ADVICE.format(directory=directory, tools=KUBECTL.parent))
                return 0
            sys.stdout.write(line)
    except KeyboardInterrupt:
        process.terminate()
    process.wait()
    return 1


def down(directory: Path) -> int:
    """End the cluster that runs in the directory, if one does, and remove the directory."""
    if directory.exists():
        with _lock(directory) as is_free:
            if not is_free:
                os.kill(int((directory / "pid").read_text()), signal.SIGTERM)
        with _lock(directory, wait=True):
            shutil.rmtree(directory)
    return 0


@contextmanager
def _lock(directory: Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold the directory for this process; without `wait`, say whether nobody else holds it."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        yield _try_lock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation)
    except BlockingIOError:
        return False
    return True


def _clear(directory: Path) -> None:
    for path in directory.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _leave(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
