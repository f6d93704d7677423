"""TLS contexts for serving and for calling, always with certificates on both sides in mind.

Unlike Go's, Python's TLS cannot ask for a client certificate and take one that does not verify:
CERT_OPTIONAL asks, and ends the handshake of a client whose certificate no listed CA signed. So a
listener is given the union of all CAs that may vouch for a client, and who vouched is decided
again, per CA, where the request is authenticated (`apiserver.auth.certificates`).
"""

import ssl
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TLSFiles:
    """A certificate (with its chain) and its private key, both PEM."""

    certificate: Path
    key: Path


def server_context(
    files: TLSFiles, *, client_authorities: tuple[Path, ...], client_certificate_required: bool
) -> ssl.SSLContext:
    """Return a context to listen with. Raises OSError or ssl.SSLError where a file is unfit."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(files.certificate, files.key)
    for path in client_authorities:
        context.load_verify_locations(path)
    if client_certificate_required:
        context.verify_mode = ssl.CERT_REQUIRED
    elif client_authorities:
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def client_context(files: TLSFiles, *, authority: Path) -> ssl.SSLContext:
    """Return a context to call with, that trusts `authority` alone."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(authority))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(files.certificate, files.key)
    return context
