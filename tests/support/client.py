"""A plain HTTP client of the API, for tests that look at the wire."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import aiohttp
from yarl import URL

GROUP = "/apis/projectcalico.org/v3"


def collection(namespace: str = "", name: str = "", *more: str) -> str:
    """Return the path of a collection, an object, or what is below it."""
    within = f"/namespaces/{namespace}" if namespace else ""
    return "/".join([f"{GROUP}{within}/packetcaptures", *filter(None, (name, *more))])


def capture(name: str = "http", **spec: Any) -> dict[str, Any]:
    """Return a manifest."""
    return {
        "apiVersion": "projectcalico.org/v3",
        "kind": "PacketCapture",
        "metadata": {"name": name},
        "spec": spec,
    }


# What everybody is told who creates a capture without limits.
KEEPS_LITTLE = (
    "spec.limits: of each interface only the last 30 MB, or 3 hours, are kept, in 3 files "
    "(Felix's defaults, which a node may change); limits.files and limits.fileSize keep more"
)
KEEPS_LITTLE_HEADER = f'299 - "{KEEPS_LITTLE}"'


@dataclass(slots=True)
class Answer:
    """A response, read whole."""

    code: int
    headers: Mapping[str, str]
    body: bytes
    warnings: list[str] = field(default_factory=list)

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class Client:
    """Requests of one user."""

    def __init__(self, session: aiohttp.ClientSession, url: str, tls: ssl.SSLContext) -> None:
        self._session = session
        self._url = url
        self._tls = tls

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str | None = "application/json",
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        """Send a request; a body that is not bytes goes as JSON."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        stream = None if data is None else BytesIO(data)
        typed = {"Content-Type": content_type} if data is not None and content_type else {}
        async with self._session.request(
            method,
            _url(self._url + path, query),
            data=stream,
            headers={**typed, **(headers or {})},
            skip_auto_headers=["Content-Type"],
            ssl=self._tls,
            allow_redirects=False,
        ) as response:
            return Answer(
                response.status,
                response.headers,
                await response.read(),
                response.headers.getall("Warning", []),
            )

    async def get(self, path: str, **query: Any) -> Answer:
        """GET."""
        return await self.request("GET", path, **query)

    async def create(self, namespace: str, document: Any, **query: Any) -> Answer:
        """POST an object."""
        return await self.request("POST", collection(namespace), document, **query)

    async def put(self, path: str, document: Any, **query: Any) -> Answer:
        """PUT an object."""
        return await self.request("PUT", path, document, **query)

    async def patch(self, path: str, document: Any, **query: Any) -> Answer:
        """PATCH an object by a merge patch."""
        kind = "application/merge-patch+json"
        return await self.request("PATCH", path, document, content_type=kind, **query)

    async def delete(self, path: str, document: Any = None, **query: Any) -> Answer:
        """DELETE."""
        return await self.request("DELETE", path, document, **query)

    @asynccontextmanager
    async def watch(
        self, path: str, *, headers: Mapping[str, str] | None = None, **query: Any
    ) -> AsyncIterator["Watch"]:
        """Open a watch; entering returns when the headers are there."""
        async with self._session.get(
            self._url + path, params={"watch": "true", **query}, ssl=self._tls, headers=headers
        ) as response:
            try:
                yield Watch(response)
            finally:
                # A polite end of TLS would go on after the test.
                if response.connection is not None and response.connection.transport is not None:
                    response.connection.transport.abort()


def _url(text: str, query: Mapping[str, str]) -> URL:
    """Return a URL that is sent as it is written: `..` and percent signs are for the server."""
    return URL(text + ("?" + urlencode(query) if query else ""), encoded=True)


class Watch:
    """Events of a watch, one after the other."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self, *, seconds: float = 10.0) -> Any:
        """Return the next event; None at a clean end."""
        async with asyncio.timeout(seconds):
            line = await self.response.content.readline()
        return json.loads(line) if line else None

    async def take(self, count: int) -> list[Any]:
        """Return the next `count` events."""
        return [await self.next() for _ in range(count)]
