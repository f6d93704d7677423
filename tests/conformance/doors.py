"""The two ways to the server: its own port, and a real kube-apiserver in front of it."""

import secrets
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import aiohttp

from apiserver.serving.tls import PemPair, client_tls
from tests.cluster.binaries import find
from tests.cluster.cluster import Cluster
from tests.cluster.kubeconfig import write_kubeconfig
from tests.cluster.pki import Authority, Pair
from tests.conformance.client import Client
from tests.conformance.server import Server

DOORS = ("direct", "aggregated")
MASTERS = "system:masters"


@dataclass(frozen=True, slots=True)
class Door:
    """A URL that leads to the server, who vouches for it there, and who for its users."""

    name: str
    url: str
    authority: bytes
    users: Authority
    directory: Path

    def client(
        self, session: aiohttp.ClientSession, pair: Pair | None, *, url: str | None = None
    ) -> Client:
        """Return a client that shows a certificate, or none."""
        shown = PemPair(pair.certificate, pair.key) if pair else None
        return Client(session, url or self.url, client_tls(shown, self.authority))

    def user(self, session: aiohttp.ClientSession, name: str, *groups: str) -> Client:
        """Return a client of a user, whose groups are in the certificate."""
        return self.client(session, _certificate(self.users, name, groups))

    def leading_to(self, server: Server) -> "Door":
        """Return a door of the same users to another server."""
        return replace(self, url=server.url, authority=server.authority.certificate)

    def kubeconfig(self, name: str, *groups: str) -> Path:
        """Write how kubectl, or any other client, gets in as a user."""
        return write_kubeconfig(
            self.directory / f"{secrets.token_hex(4)}.kubeconfig",
            server=self.url,
            authority=self.authority,
            client=_certificate(self.users, name, groups),
        )

    def kubectl(self, kubeconfig: Path, namespace: str) -> "Kubectl":
        """Return a kubectl whose home, with what it knows of resources, is the door's."""
        return Kubectl(kubeconfig, namespace, self.directory)


def open_doors(cluster: Cluster, server: Server, directory: Path) -> Mapping[str, Door]:
    """Return both doors of a registered server, by name."""
    users, own = cluster.authorities.cluster, server.authority.certificate
    direct = Door("direct", server.url, own, users, directory / "direct")
    aggregated = Door(
        "aggregated", cluster.server, users.certificate, users, directory / "aggregated"
    )
    return {door.name: door for door in (direct, aggregated)}


@cache
def _certificate(authority: Authority, name: str, groups: tuple[str, ...]) -> Pair:
    return authority.issue(name, organizations=groups)


@dataclass(frozen=True, slots=True)
class Said:
    """What kubectl wrote."""

    stdout: str
    stderr: str

    @property
    def words(self) -> str:
        """Both, one after the other."""
        return self.stdout + self.stderr


class Kubectl:
    """kubectl in one namespace."""

    def __init__(self, kubeconfig: Path, namespace: str, home: Path) -> None:
        self.kubeconfig = kubeconfig
        self._flags = [f"--kubeconfig={kubeconfig}", f"--namespace={namespace}"]
        self._home = home

    def command(self, *arguments: str) -> list[str]:
        """Return the whole of a command."""
        return [find("kubectl"), *self._flags, *arguments]

    def environment(self, editor: str = "true") -> dict[str, str]:
        """Return what it needs to find itself in."""
        return {"HOME": str(self._home), "PATH": "/usr/bin:/bin", "KUBE_EDITOR": editor}

    def __call__(
        self, *arguments: str, stdin: str = "", fails: bool = False, editor: str = "true"
    ) -> Said:
        """Run a command; `fails` is what is expected of it. `editor` is for `kubectl edit`."""
        done = subprocess.run(
            self.command(*arguments),
            input=stdin,
            capture_output=True,
            text=True,
            env=self.environment(editor),
            timeout=60,
            check=False,
        )
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        return Said(done.stdout, done.stderr)
