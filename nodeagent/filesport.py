"""The port that files are served on in a cluster: it opens once there is a certificate and a CA bundle.

Whatever is replaced later is for new connections; those that exist go on. Only a client whose CA has
left the bundle is refused from its next request on.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from apiserver.serving.lifecycle import serving
from apiserver.serving.tls import PemPair, ServerTLS, TLSFiles
from apiserver.upstream.client import Client
from nodeagent.cluster.certificate import Bundle
from nodeagent.cluster.enrollment import keeping_certificate
from nodeagent.cluster.trust import following_trust
from nodeagent.listener import SHUTDOWN_SECONDS, Listener
from nodeagent.server import FileServer, build_app

log = logging.getLogger(__name__)


class ServingError(Exception):
    """Certificates that files cannot be served with."""


class Credentials:
    """What the port shows to clients and whom it lets in, as they are now."""

    def __init__(self) -> None:
        self._pair: PemPair | None = None
        self._bundle: Bundle | None = None
        self._tls: ServerTLS | None = None
        self._are_complete = asyncio.Event()

    def present(self, pair: PemPair) -> None:
        """Show this certificate from now on."""
        self._pair = pair
        self._apply()

    def trust(self, bundle: Bundle) -> None:
        """Let in whom these CAs vouch for, from now on."""
        self._bundle = bundle
        self._apply()

    def vouch_for(self, der: bytes) -> bool:
        """Tell whether the certificate of a connection, which was good once, is of a CA of now."""
        return self._bundle is not None and self._bundle.has_issued(der)

    async def complete(self) -> ssl.SSLContext:
        """Return the context to listen with, once all that it takes is there."""
        await self._are_complete.wait()
        assert self._tls is not None
        return self._tls.context

    def _apply(self) -> None:
        if self._pair is None or self._bundle is None:
            return
        try:
            if self._tls is None:
                self._tls = ServerTLS.known_clients(self._pair, self._bundle.pem)
            else:
                self._tls.replace(self._pair, self._bundle.pem)
        except (ssl.SSLError, ValueError) as error:
            # Each was found to be good by itself: TLS is stricter, and what was in use still is.
            log.error("certificate cannot be served", extra={"error": str(error)})  # noqa: TRY400 - the reason is the whole story
            return
        self._are_complete.set()


class Part(Protocol):
    """Something that the port depends on."""

    @property
    def problem(self) -> str:
        """What is wrong with it, or an empty text."""


@dataclass(frozen=True, slots=True)
class FilesPort:
    """The port as those see it who ask how it is; `opened` is set once it is open."""

    parts: tuple[Part, ...] = ()
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def problem(self) -> str:
        """What keeps files from being served; empty where nothing does."""
        return "; ".join(each.problem for each in self.parts if each.problem)


@asynccontextmanager
async def serving_from_cluster(
    files: FileServer, client: Client, *, node: str, namespace: str, host: str, port: int
) -> AsyncGenerator[FilesPort]:
    """Serve files for as long as the block lasts, from when the cluster has what it takes."""
    credentials = Credentials()
    listener = Listener(build_app(files, vouched=credentials.vouch_for), host=host, port=port)

    async def listen() -> None:
        await listener.serve(await credentials.complete())

    async with keeping_certificate(client, node, issued=credentials.present) as enrollment:

        def trust_both(bundle: Bundle) -> None:
            credentials.trust(bundle)
            enrollment.trust(bundle)

        async with (
            following_trust(client, namespace, changed=trust_both) as trust,
            asyncio.TaskGroup() as tasks,
        ):
            listening = tasks.create_task(listen())
            yield FilesPort((enrollment, trust, listener), listener.opened)
            listening.cancel()


@asynccontextmanager
async def serving_from_files(
    files: FileServer, pair: TLSFiles, authority: Path, *, host: str, port: int
) -> AsyncGenerator[FilesPort]:
    """Serve files for as long as the block lasts, with a certificate and CAs that stay.

    Raises OSError where a file cannot be read or the port not be had, ServingError where a file is
    unfit.
    """
    tls = await asyncio.to_thread(_read_tls, pair, authority)
    app = build_app(files, vouched=lambda _der: True)
    async with serving(
        app, host=host, port=port, tls=tls.context, shutdown_seconds=SHUTDOWN_SECONDS
    ):
        opened = FilesPort()
        opened.opened.set()
        yield opened


def _read_tls(pair: TLSFiles, authority: Path) -> ServerTLS:
    """Read the files; blocks."""
    try:
        return ServerTLS.known_clients(pair.read(), authority.read_bytes())
    except (ssl.SSLError, ValueError) as error:
        raise ServingError(f"{pair.certificate}, {pair.key}, {authority}: {error}") from error
