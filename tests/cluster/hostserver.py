"""The API server as a process on this machine, with the cluster's kubeconfig: its files, flags and clock are the test's."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from apiserver.pki import Certificate, read_certificates
from apiserver.serving.tls import PemPair
from tests.cluster.cluster import Cluster
from tests.cluster.operating import ask_readiness
from tests.cluster.workloads import Document
from tests.support.standalone import ROOT

ADDRESS = "127.0.0.1"


class HostServer:
    """A process, what it has logged so far, and an administrator who asks it."""

    def __init__(self, process: subprocess.Popen[str], administrator: PemPair) -> None:
        self._process = process
        self._administrator = administrator
        self._log: list[Document] = []

    @property
    def port(self) -> int:
        """Where it listens, once it does."""
        return int(self.until_logged(lambda line: line["message"] == "serving")["port"])

    def until_logged(self, said: Callable[[Document], bool]) -> Document:
        """Return the first line of the log, written already or to come, that says so."""
        return next(line for line in chain(self._log, self._follow()) if said(line))

    def _follow(self) -> Iterator[Document]:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._log.append(json.loads(line))
            yield self._log[-1]
        raise AssertionError(f"the server ended with status {self._process.wait()}: {self._log}")

    def readiness(self) -> Mapping[str, str]:
        """Return which checks of its /readyz fail, and why."""
        return ask_readiness(ADDRESS, self.port, self._administrator)

    def until_ready(self, *, but: set[str]) -> None:
        """Return when all checks of its /readyz but these pass."""
        while not but >= self.readiness().keys():
            pass

    def certificate(self) -> Certificate:
        """Return what it shows to a new client."""
        with (
            socket.create_connection((ADDRESS, self.port), timeout=10) as plain,
            ssl._create_unverified_context().wrap_socket(plain) as encrypted,
        ):
            shown = encrypted.getpeercert(binary_form=True)
        assert shown is not None
        (certificate,) = read_certificates(ssl.DER_cert_to_PEM_cert(shown).encode())
        return certificate


@contextmanager
def server_here(
    cluster: Cluster, directory: Path, *flags: str, namespace: str, clock: str = ""
) -> Iterator[HostServer]:
    """Run a server for as long as the block lasts; entering does not wait for it.

    `clock` is how far its clock is off: `+1h`, `-1h`.
    """
    pair = cluster.authorities.cluster.issue("admin", organizations=["system:masters"])
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "apiserver"),
            *(f"--bind-address={ADDRESS}", "--secure-port=0", "--shutdown-delay-duration=0s"),
            f"--kubeconfig={cluster.kubeconfig}",
            f"--namespace={namespace}",
            f"--data-dir={directory}",
            *flags,
        ],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | (_faked(clock) if clock else {}),
    )

    try:
        yield HostServer(process, PemPair(pair.certificate, pair.key))
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=30)
        sys.stderr.write(log)


def _faked(clock: str) -> dict[str, str]:
    """Return the environment of a process whose time of day is another."""
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    return {"LD_PRELOAD": str(library), "FAKETIME": clock, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
