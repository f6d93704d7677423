"""A client for threads: one connection, one request after the other."""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from apiserver.serving.tls import PemPair, client_tls
from tests.conformance.doors import MASTERS, Door

_MERGE_PATCH = "application/merge-patch+json"


class Plain:
    """Requests that succeed."""

    def __init__(self, connection: http.client.HTTPSConnection) -> None:
        self.connection = connection

    def open(self, path: str) -> http.client.HTTPResponse:
        """GET, to be read by the caller."""
        return self._send("GET", path, None)

    def get(self, path: str) -> Any:
        """GET."""
        return json.loads(self.open(path).read())

    def create(self, path: str, document: Any) -> None:
        """POST to a collection."""
        self._send("POST", path, document).read()

    def patch(self, path: str, document: Any) -> None:
        """PATCH an object by a merge patch."""
        self._send("PATCH", path, document).read()

    def _send(self, method: str, path: str, document: Any) -> http.client.HTTPResponse:
        body = None if document is None else json.dumps(document)
        kind = _MERGE_PATCH if method == "PATCH" else "application/json"
        self.connection.request(method, path, body, {"Content-Type": kind})
        response = self.connection.getresponse()
        assert response.status in {200, 201}, response.read()
        return response


@contextmanager
def connecting(door: Door) -> Iterator[Plain]:
    """Have a connection as an administrator for as long as the block lasts."""
    pair = door.users.issue("thread", organizations=[MASTERS])
    tls = client_tls(PemPair(pair.certificate, pair.key), door.authority)
    connection = http.client.HTTPSConnection(urlsplit(door.url).netloc, context=tls)
    try:
        yield Plain(connection)
    finally:
        connection.close()
