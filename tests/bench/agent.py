"""The whole path as a user meets it: python -m tests.bench.agent.

1. From the return of `kubectl create` to the first packet in the capture's file, with traffic that
   never stops; beside it the same from the start of a `tcpdump -U -w` on the same interface.
2. Processor time of the agent with twenty captures and no traffic.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from asyncinotify import Inotify, Mask

from apiserver.serving.clock import utc_now
from apiserver.standalone.credentials import write_credentials
from tests.support.agent import running_agent, workload_endpoint
from tests.support.netns import Pod, open_pod
from tests.support.server import install, serving
from tests.support.standalone import kubectl_environment
from tests.system.conftest import free_ports

TARGET_MILLISECONDS = 250.0
TARGET_IDLE_PERCENT = 1.0
CAPTURES = 20
FILE_HEADER_BYTES = 24
PACKETS_PER_SECOND = 200

MANIFEST = """\
apiVersion: projectcalico.org/v3
kind: PacketCapture
metadata: {{name: {name}, namespace: shop}}
spec: {{selector: app == "web", filters: [{{protocol: UDP, ports: [4000]}}]}}
"""


class Kubectl:
    """kubectl against the benchmark's server."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def __call__(self, *arguments: str, text: str = "") -> None:
        command = ["kubectl", "-n", "shop", *arguments]
        subprocess.run(
            command, input=text, text=True, env=self._environment, check=True, capture_output=True
        )


@contextmanager
def traffic(pod: Pod) -> Iterator[None]:
    """Send packets at a steady, low rate for as long as the block lasts."""
    ending = threading.Event()

    def keep_sending() -> None:
        with pod.open_sender() as sender:
            while not ending.wait(1 / PACKETS_PER_SECOND):
                sender.send(0)

    thread = threading.Thread(target=keep_sending)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def until_first_packet(directory: Path, name: str) -> None:
    """Return when a file in a directory holds more than its header; the directory may be missing."""
    with Inotify(sync_timeout=10) as notices:
        for each in (directory.parent.parent, directory.parent, directory):
            if each.is_dir():
                notices.add_watch(each, Mask.CREATE | Mask.MODIFY | Mask.MOVED_TO)
        while not _has_packets(directory / name):
            path = next(iter(notices)).path
            if path is not None and path.is_dir():
                notices.add_watch(path, Mask.CREATE | Mask.MODIFY | Mask.MOVED_TO)
                for child in path.iterdir():
                    if child.is_dir():
                        notices.add_watch(child, Mask.CREATE | Mask.MODIFY | Mask.MOVED_TO)


def _has_packets(path: Path) -> bool:
    return path.exists() and path.stat().st_size > FILE_HEADER_BYTES


def first_packet_of_captures(
    kubectl: Kubectl, captures: Path, pod: Pod, rounds: int
) -> list[float]:
    """Return milliseconds from the return of `kubectl create` to the first packet in the file."""
    took = []
    for number in range(rounds):
        name = f"c{number}"
        kubectl("create", "-f", "-", text=MANIFEST.format(name=name))
        created = time.perf_counter()
        until_first_packet(captures / "shop" / name, f"web_{pod.interface}.pcap")
        took.append((time.perf_counter() - created) * 1000)
        kubectl("delete", "packetcaptures.p", name)
    return took


def first_packet_of_tcpdump(root: Path, pod: Pod, rounds: int) -> list[float]:
    """Return milliseconds from the start of `tcpdump -U -w` to the first packet in the file."""
    took = []
    for number in range(rounds):
        directory = root / "tcpdump" / str(number)
        directory.mkdir(parents=True)
        path = directory / "x.pcap"
        started = time.perf_counter()
        command = ["tcpdump", "-Z", "root", "-n", "-U", "-i", pod.interface, "-w", str(path)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            until_first_packet(directory, path.name)
            took.append((time.perf_counter() - started) * 1000)
            process.terminate()
    return took


def cpu_seconds(pid: int) -> float:
    """Return the processor time (user and system) of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def idle_percent(kubectl: Kubectl, pid: int, seconds: float) -> float:
    """Return what an agent with many captures and no traffic takes, in percent of a core."""
    for number in range(CAPTURES):
        kubectl("create", "-f", "-", text=MANIFEST.format(name=f"idle{number}"))
    command = "--for=jsonpath={.status.files[0].state}=WaitingForTraffic"
    kubectl("wait", command, "packetcaptures.p", "--all", "--timeout=20s")
    # What starting them costs is over within this; only then does idling begin.
    time.sleep(2)
    before, began = cpu_seconds(pid), time.perf_counter()
    time.sleep(seconds)
    return 100 * (cpu_seconds(pid) - before) / (time.perf_counter() - began)


def main() -> int:
    """Measure and print; the exit status is 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--idle-seconds", type=float, default=10)
    options = parser.parse_args()
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pod = stack.enter_context(open_pod())
        port, agent_port = free_ports(2)
        installation = install(root / "installation")
        layout, captures = installation.layout, root / "pcap"
        url = f"https://127.0.0.1:{port}"
        write_credentials(layout, node="n1", server_url=url, now=utc_now())
        workloads = root / "workloads.yaml"
        workloads.write_text(workload_endpoint(pod.interface))
        captures.mkdir()
        stack.enter_context(serving(installation, f"--secure-port={port}"))
        agent = stack.enter_context(
            running_agent(layout, port=agent_port, workloads=workloads, captures=captures)
        )
        kubectl = Kubectl(kubectl_environment(layout.admin_kubeconfig, root))
        with traffic(pod):
            ours = first_packet_of_captures(kubectl, captures, pod, options.rounds)
            theirs = first_packet_of_tcpdump(root, pod, options.rounds)
        idle = idle_percent(kubectl, agent.pid, options.idle_seconds)
    ratio = median(ours) / median(theirs)
    print(
        f"kubectl create returned -> first packet in the file, ms: median {median(ours):.0f}, "
        f"worst {max(ours):.0f} (target: median under {TARGET_MILLISECONDS:.0f}); tcpdump started "
        f"-> first packet: median {median(theirs):.0f}; ratio {ratio:.2f}"
    )
    print(
        f"agent idle with {CAPTURES} captures: {idle:.2f} % of a core "
        f"(target: under {TARGET_IDLE_PERCENT:.0f})"
    )
    is_met = median(ours) < TARGET_MILLISECONDS and idle < TARGET_IDLE_PERCENT
    print("all targets met" if is_met else "a target is missed")
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
