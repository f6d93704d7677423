"""The API server as a process of its own, and clients with certificates of its CA."""

import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from apiserver.agentapi.names import NODES_GROUP, node_user
from apiserver.pki import Identity, issue, new_authority
from apiserver.serving.clock import utc_now
from apiserver.serving.tls import PemPair, TLSFiles, client_tls
from apiserver.standalone.credentials import write_credentials, write_private
from apiserver.standalone.layout import Layout
from tests.support.standalone import ROOT

FRONT_PROXY = "front-proxy-client"
_LIFETIME = timedelta(days=1)


@dataclass(slots=True)
class Installation:
    """A directory with all certificates; servers are started over it, one after the other."""

    layout: Layout
    proxies: PemPair = field(
        default_factory=lambda: new_authority("proxies", now=utc_now(), lifetime=_LIFETIME)
    )

    @property
    def proxies_file(self) -> Path:
        """The CA of the front proxy."""
        return self.layout.root / "pki" / "proxies.crt"

    def client(self, files: TLSFiles) -> ssl.SSLContext:
        """Return a context that shows a certificate."""
        pair = PemPair(files.certificate.read_bytes(), files.key.read_bytes())
        return client_tls(pair, self.layout.authority.certificate.read_bytes())

    def nobody(self) -> ssl.SSLContext:
        """Return a context that shows none."""
        return ssl.create_default_context(cafile=str(self.layout.authority.certificate))

    def user(self, name: str, *groups: str) -> ssl.SSLContext:
        """Return a context of a user that our own CA vouches for."""
        own = PemPair(
            self.layout.authority.certificate.read_bytes(), self.layout.authority.key.read_bytes()
        )
        return self.client(self._issued(own, Identity(name, groups)))

    def proxy(self, name: str = FRONT_PROXY) -> ssl.SSLContext:
        """Return a context with a certificate of the front proxy's CA."""
        return self.client(self._issued(self.proxies, Identity(name)))

    def stranger(self, name: str = FRONT_PROXY) -> ssl.SSLContext:
        """Return a context with a certificate that no CA of the server vouches for."""
        authority = new_authority("strangers", now=utc_now(), lifetime=_LIFETIME)
        return self.client(self._issued(authority, Identity(name)))

    def node(self, name: str) -> ssl.SSLContext:
        """Return a context of a node's agent."""
        return self.user(node_user(name), NODES_GROUP)

    def _issued(self, authority: PemPair, identity: Identity) -> TLSFiles:
        pair = issue(authority, identity, now=utc_now(), lifetime=_LIFETIME)
        stem = self.layout.root / "pki" / f"{id(pair):x}"
        files = TLSFiles(stem.with_suffix(".crt"), stem.with_suffix(".key"))
        files.certificate.write_bytes(pair.certificate)
        files.key.write_bytes(pair.key)
        return files


def install(root: Path) -> Installation:
    """Make the certificates of an installation."""
    installation = Installation(Layout(root))
    write_credentials(
        installation.layout, node="n1", server_url="https://127.0.0.1:0", now=utc_now()
    )
    write_private(installation.proxies_file, installation.proxies.certificate)
    return installation


@dataclass(frozen=True, slots=True)
class Server:
    """A running API server."""

    process: subprocess.Popen[str]
    url: str


@contextmanager
def serving(installation: Installation, *extra: str) -> Iterator[Server]:
    """Run the server inside the block, on a free port, and stop it as an operator does."""
    layout = installation.layout
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "apiserver", "--standalone", "--shutdown-delay-duration=0"),
            *("--bind-address=127.0.0.1", "--secure-port=0"),
            f"--tls-cert-file={layout.server.certificate}",
            f"--tls-private-key-file={layout.server.key}",
            f"--client-ca-file={layout.authority.certificate}",
            f"--requestheader-client-ca-file={installation.proxies_file}",
            f"--requestheader-allowed-names={FRONT_PROXY}",
            # Many tests share one server, and make as many captures as they like.
            *("--max-captures=0", "--max-captures-per-namespace=0"),
            f"--data-dir={layout.data}",
            *extra,
        ],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        yield Server(process, f"https://127.0.0.1:{_port(process)}")
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            _, log = process.communicate(timeout=30)
        finally:
            process.kill()
        sys.stderr.write(log)


def _port(process: subprocess.Popen[str]) -> int:
    """Read the log until the server says that it serves, and where."""
    assert process.stderr is not None
    for line in process.stderr:
        record = json.loads(line)
        if record["message"] == "serving":
            return int(record["port"])
    raise AssertionError(f"the server ended with status {process.wait()}")
