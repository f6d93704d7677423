"""A CertificateSigningRequest of ours: how it is made, and what became of it. Pure."""

import base64
from typing import Final

from apiserver.agentapi.names import AGENT_SIGNER
from apiserver.jsontypes import JsonObject, array_at, object_at, text_at

REQUESTS_PATH: Final = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
NAME_PREFIX: Final = "packetcapture-agent-"

# Conditions after which there will be no certificate.
_FINAL: Final = {"Denied", "Failed"}


class TurnedDownError(Exception):
    """A request that will bring no certificate; `verdict` is for people."""

    def __init__(self, verdict: str) -> None:
        super().__init__(verdict)
        self.verdict = verdict


def signing_request(pem: bytes) -> JsonObject:
    """Return the object that asks our signer for a serving certificate; the API names it."""
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"generateName": NAME_PREFIX},
        "spec": {
            "request": base64.b64encode(pem).decode("ascii"),
            "signerName": AGENT_SIGNER,
            "usages": ["digital signature", "server auth"],
        },
    }


def issued_certificate(document: JsonObject) -> bytes:
    """Return the chain (PEM) that a request got, empty while it waits. Raises TurnedDownError."""
    status = object_at(document, "status")
    for condition in array_at(status, "conditions"):
        if isinstance(condition, dict) and text_at(condition, "type") in _FINAL:
            verdict, reason, message = (
                text_at(condition, each) for each in ("type", "reason", "message")
            )
            raise TurnedDownError(f"{verdict}, {reason}: {message}")
    try:
        return base64.b64decode(text_at(status, "certificate"), validate=True)
    except ValueError as error:
        raise TurnedDownError("its certificate is not Base64") from error
