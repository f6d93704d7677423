"""TLS contexts for serving and for calling, whose certificates can be replaced while they serve."""

import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from apiserver.serving.anyclient import take_any_client


@dataclass(frozen=True, slots=True)
class PemPair:
    """A certificate (with its chain) and its private key, both PEM."""

    certificate: bytes
    key: bytes


class ServerTLS:
    """A listening context whose certificate, and required client CAs, can be replaced.

    Connections that exist go on with what they began with. A client that comes again is judged by
    the CAs of then: required certificates are shown anew, for no session is ever resumed.
    """

    def __init__(
        self, pair: PemPair, authorities: bytes, prepare: Callable[[ssl.SSLContext], None]
    ) -> None:
        """Use `any_client` or `known_clients`. Raises ssl.SSLError where something is unfit."""
        self._prepare = prepare
        self._authorities = authorities
        self._newest = self._inner(pair, authorities)
        # What decides over client certificates belongs to the connection, which is made of this
        # context; the certificate and the CAs belong to the context that it is given at its hello.
        self.context = self._inner(pair, authorities)
        # OpenSSL calls back whether or not the client names a server.
        self.context.sni_callback = self._give_newest

    @classmethod
    def any_client(cls, pair: PemPair) -> Self:
        """Ask for a client certificate and take any, or none (`apiserver.serving.anyclient`).

        Raises ssl.SSLError where the pair is unfit, and UnsupportedRuntimeError.
        """
        return cls(pair, b"", take_any_client)

    @classmethod
    def known_clients(cls, pair: PemPair, authorities: bytes) -> Self:
        """Require a client certificate of one of these CAs (PEM).

        Raises ssl.SSLError where the pair or a CA is unfit, ValueError where there is no CA.
        """
        return cls(pair, authorities, _require_certificate)

    def replace(self, pair: PemPair, authorities: bytes | None = None) -> None:
        """Serve new connections with this certificate, and these CAs where they are given.

        Raises ssl.SSLError or ValueError where something is unfit, and goes on as before.
        """
        if authorities is None:
            authorities = self._authorities
        self._newest = self._inner(pair, authorities)
        self._authorities = authorities

    def _inner(self, pair: PemPair, authorities: bytes) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        load_pair(context, pair)
        if authorities:
            context.load_verify_locations(cadata=authorities.decode("ascii", "replace"))
        self._prepare(context)
        return context

    def _give_newest(
        self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        connection.context = self._newest


def _require_certificate(context: ssl.SSLContext) -> None:
    # Up to 1.2 a session is also kept under an id, and who comes back with it shows no certificate.
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED


def client_tls(pair: PemPair | None, authorities: bytes) -> ssl.SSLContext:
    """Return a context to call with, that trusts these CAs (PEM) alone and shows `pair`, if any.

    Raises ssl.SSLError where the pair or a CA is unfit, ValueError where there is no CA.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=authorities.decode("ascii", "replace"))
    if pair is not None:
        load_pair(context, pair)
    return context


def load_pair(context: ssl.SSLContext, pair: PemPair) -> None:
    """Load a certificate and its key from memory. Raises ssl.SSLError where they are unfit.

    Python loads keys from files only; this one is memory, so nothing here waits for a disk, and no
    key is ever on one.
    """
    descriptor = os.memfd_create("certificate")
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        file.write(pair.certificate + b"\n" + pair.key)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")


@dataclass(frozen=True, slots=True)
class TLSFiles:
    """A certificate (with its chain) and its private key, both PEM."""

    certificate: Path
    key: Path

    def read(self) -> PemPair:
        """Return what the files hold; blocks. Raises OSError."""
        return PemPair(self.certificate.read_bytes(), self.key.read_bytes())
