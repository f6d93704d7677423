"""The cluster's API as a client: the one door to kubernetes_asyncio.

The library reads the kubeconfig, keeps the TLS context and the connection pool, and adds
credentials. Paths, documents and errors are ours: its generated classes know nothing of our group,
and its watch reads by lines of limited length.

Errors: what the server answered is an `ApiStatusError`; that no answer came, or none that can be
read, is an `UnreachableError`. Bodies that are no Status are not repeated: they may hold secrets.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

import aiohttp
import orjson
import yaml
from kubernetes_asyncio.client import ApiClient, Configuration
from kubernetes_asyncio.config import (
    ConfigException,
    load_incluster_config,
    load_kube_config,
)

from apiserver.jsontypes import JsonObject, array_at, integer_at, object_at, text_at
from apiserver.upstream.lines import LineBuffer, LineTooLongError

Query: TypeAlias = Mapping[str, str]

USER_AGENT: Final = "packetcapture"
JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
NO_QUERY: Final[Query] = MappingProxyType({})
# kube-apiserver cuts what is no watch after 60 s; a little more, so that its own answer is seen.
REQUEST_SECONDS: Final = 70.0
CONNECT_SECONDS: Final = 15.0
# An answer or an event larger than this is refused. etcd takes objects up to 1.5 MiB; a list of our
# objects without status is some kB each.
MAX_BODY_BYTES: Final = 64 * 2**20
MAX_LINE_BYTES: Final = 16 * 2**20
_CHUNK_BYTES: Final = 2**16

# A watch may be silent for minutes, and a peer that vanished says nothing: only the kernel's probes
# tell the two apart. 30 s is what Kubernetes' own clients use.
_KEEPALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)

# The library checks little: a kubeconfig of another shape than it expects fails somewhere within.
_UNFIT: Final = (
    ConfigException,
    OSError,
    yaml.YAMLError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
_FETCHED: Final = "only certificates, tokens and passwords are supported, not exec or OIDC"


class UpstreamError(Exception):
    """Anything that keeps the cluster's API from giving what was asked of it."""


class KubeconfigError(UpstreamError):
    """A kubeconfig that cannot be read or used."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"kubeconfig {path}: {problem}")
        self.path = path
        self.problem = problem


class ServiceAccountError(UpstreamError):
    """This process is not in a pod, or the pod's token or CA is not there."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"{problem} Give --kubeconfig, or run in a pod whose ServiceAccount token is mounted."
        )
        self.problem = problem


class UnreachableError(UpstreamError):
    """No answer, or not a whole one: network, TLS, deadline, or bytes that are not JSON."""


class ApiStatusError(UpstreamError):
    """The server refused: the HTTP code, and what its Status says.

    `retry_after` is the wait in seconds that the server asked for, 0 where it asked for none; `causes`
    are the reasons of `details.causes`.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        retry_after: int = 0,
        causes: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(": ".join(filter(None, (f"{code} {reason}".strip(), message))))
        self.code = code
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        self.causes = causes

    @classmethod
    def from_status(cls, status: JsonObject, *, code: int = 0) -> "ApiStatusError":
        """Read a Status document; `code` is HTTP's, for a document that has none."""
        details = object_at(status, "details")
        causes = (each for each in array_at(details, "causes") if isinstance(each, dict))
        return cls(
            integer_at(status, "code") or code,
            text_at(status, "reason"),
            text_at(status, "message"),
            retry_after=integer_at(details, "retryAfterSeconds"),
            causes=frozenset(text_at(each, "reason") for each in causes),
        )


class Client:
    """The few calls that we make, on absolute paths of the API. Made by `open_client`."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    async def get_json(
        self, path: str, query: Query = NO_QUERY, *, accept: str = JSON
    ) -> JsonObject:
        """Return the document at `path`. Raises `ApiStatusError` or `UnreachableError`."""
        return await self._exchange("GET", path, query, accept=accept)

    async def create(self, path: str, document: JsonObject) -> JsonObject:
        """Create `document` in the collection at `path` and return the answer.

        Raises `ApiStatusError`, or `UnreachableError`, after which it may or may not exist.
        """
        return await self._exchange("POST", path, NO_QUERY, document)

    async def replace(self, path: str, document: JsonObject) -> JsonObject:
        """Put `document` in the place of the object at `path` and return the answer.

        Raises `ApiStatusError` (409 where its `resourceVersion` is not the newest), or
        `UnreachableError`, after which it may or may not have been replaced.
        """
        return await self._exchange("PUT", path, NO_QUERY, document)

    async def merge_patch(self, path: str, patch: JsonObject) -> JsonObject:
        """Change the object at `path` by a merge patch (RFC 7386) and return the answer.

        Raises `ApiStatusError`, or `UnreachableError`, after which it may or may not have changed.
        """
        return await self._exchange("PATCH", path, NO_QUERY, patch, media=MERGE_PATCH)

    async def delete(self, path: str, options: JsonObject | None = None) -> JsonObject:
        """Delete the object at `path`, with DeleteOptions, and return the answer.

        Raises `ApiStatusError`, or `UnreachableError`, after which it may or may not exist.
        """
        return await self._exchange("DELETE", path, NO_QUERY, options)

    @asynccontextmanager
    async def stream_lines(
        self, path: str, query: Query = NO_QUERY, *, accept: str = JSON
    ) -> AsyncGenerator[AsyncIterator[JsonObject]]:
        """Follow an answer of one JSON object a line, as long as the server sends.

        Entering raises `ApiStatusError` or `UnreachableError`; iterating raises `UnreachableError`
        where the stream is cut. How long it may last is for the caller to say.
        """
        with _translated():
            async with asyncio.timeout(REQUEST_SECONDS):
                response = await self._send("GET", path, query, accept=accept)
                if response.status != HTTPStatus.OK:
                    async with response:
                        raise await _refusal(response)
        async with response, aclosing(_documents(response)) as documents:
            with _translated():
                _keep_alive(response)
            yield documents

    async def _exchange(
        self,
        method: str,
        path: str,
        query: Query,
        body: JsonObject | None = None,
        *,
        media: str = JSON,
        accept: str = JSON,
    ) -> JsonObject:
        sending = self._send(method, path, query, body, media=media, accept=accept)
        with _translated():
            async with asyncio.timeout(REQUEST_SECONDS):
                async with await sending as response:
                    if not response.ok:
                        raise await _refusal(response)
                    return _document(await _read(response))

    async def _send(
        self,
        method: str,
        path: str,
        query: Query,
        body: JsonObject | None = None,
        *,
        media: str = JSON,
        accept: str = JSON,
    ) -> aiohttp.ClientResponse:
        # A type of the answer is named even though bodies are raw here: without one, a server may
        # choose another format.
        response: aiohttp.ClientResponse = await self._api.call_api(
            path,
            method,
            query_params=list(query.items()),
            header_params={"Accept": accept, "Content-Type": media},
            body=body,
            auth_settings=["BearerToken"],
            _preload_content=False,
            _request_timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        )
        return response


@asynccontextmanager
async def open_client(kubeconfig: Path, *, context: str | None = None) -> AsyncGenerator[Client]:
    """Open a client for a kubeconfig's current context, or the one named.

    Raises:
        KubeconfigError: The file, or a certificate that it names, cannot be used.
    """
    try:
        configuration = await asyncio.to_thread(_load, kubeconfig, context)
        api = ApiClient(configuration)
    except _UNFIT as error:
        raise KubeconfigError(kubeconfig, str(error) or type(error).__name__) from error
    async with _serving(api) as client:
        yield client


@asynccontextmanager
async def open_in_cluster_client() -> AsyncGenerator[Client]:
    """Open a client as the ServiceAccount of the pod that this process runs in.

    The token is read again every minute: kubelet renews it long before it expires.

    Raises:
        ServiceAccountError: This is no pod, or its token or CA is not there.
    """
    try:
        configuration = Configuration()
        await asyncio.to_thread(load_incluster_config, client_configuration=configuration)
        api = ApiClient(configuration)
    except _UNFIT as error:
        raise ServiceAccountError(str(error) or type(error).__name__) from error
    async with _serving(api) as client:
        yield client


@asynccontextmanager
async def _serving(api: ApiClient) -> AsyncGenerator[Client]:
    api.user_agent = USER_AGENT
    async with api:
        yield Client(api)


def _load(kubeconfig: Path, context: str | None) -> Configuration:
    """Read the configuration; blocks."""
    configuration = Configuration()
    loading = load_kube_config(
        config_file=str(kubeconfig),
        context=context,
        client_configuration=configuration,
        persist_config=False,
    )
    # A coroutine by its name alone: it reads files, and waits only for credentials that another
    # program or server gives out. Those expire within hours, and nothing here would renew them.
    try:
        loading.send(None)
    except StopIteration:
        return configuration
    except RuntimeError as error:
        raise ConfigException(_FETCHED) from error
    finally:
        loading.close()
    raise ConfigException(_FETCHED)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise UnreachableError("no answer in time") from error
    # ConfigException: the ServiceAccount's token, which is read again every minute, is not there.
    except (aiohttp.ClientError, ConfigException, LineTooLongError, OSError) as error:
        raise UnreachableError(str(error) or type(error).__name__) from error


async def _refusal(response: aiohttp.ClientResponse) -> ApiStatusError:
    try:
        status = _document(await _read(response))
    except UnreachableError:
        status = {}
    if text_at(status, "kind") != "Status":
        status = {"message": response.reason or ""}
    return ApiStatusError.from_status(status, code=response.status)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise UnreachableError(f"the answer is larger than {MAX_BODY_BYTES} bytes")
    return bytes(body)


async def _documents(response: aiohttp.ClientResponse) -> AsyncGenerator[JsonObject]:
    lines = LineBuffer(max_bytes=MAX_LINE_BYTES)
    with _translated():
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            for line in lines.feed(chunk):
                yield _document(line)
    if not lines.is_empty:
        raise UnreachableError("the stream ended within a line")


def _document(body: bytes) -> JsonObject:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UnreachableError("the answer is not JSON") from error
    if not isinstance(document, dict):
        raise UnreachableError("the answer is not a JSON object")
    return document


def _keep_alive(response: aiohttp.ClientResponse) -> None:
    transport = response.connection.transport if response.connection else None
    # What is closing may have no socket any more, and uvloop's word for that is ValueError.
    if transport is None or transport.is_closing():
        return
    peer: socket.socket | None = transport.get_extra_info("socket")
    if peer is None:
        return
    for level, option, value in _KEEPALIVE:
        peer.setsockopt(level, option, value)
