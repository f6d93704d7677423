"""One request to one node agent: over TLS with certificates on both sides, with deadlines.

Agents' answers become `ApiError`s here and nowhere else.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from apiserver.agentapi.files import USER_HEADER, FileList, files_path
from apiserver.agentapi.names import agent_dns_name
from apiserver.agents.directory import AgentDirectory
from apiserver.wire import status

# An agent that takes longer to begin its answer is as good as gone.
ANSWER_SECONDS = 5.0

# A listing that takes longer, or is longer (some 30,000 files), is no answer. An agent is as far to
# be trusted as its node: it must not hold or fill the server of all nodes.
LISTING_SECONDS = 10.0
MAX_LISTING_BYTES = 4 << 20

# What is held of a file that passes through, per download.
CHUNK_BYTES = 256 << 10

_OK = 200
_NOT_FOUND = 404


class AgentUnreachableError(Exception):
    """The agent of a node cannot be asked; `reason` is for people."""

    def __init__(self, node: str, reason: str) -> None:
        super().__init__(f"node {node} cannot be reached: {reason}")
        self.node = node
        self.reason = reason


@dataclass(frozen=True, slots=True)
class CaptureFiles:
    """Whose files are asked for, and by whom: the uid makes sure that it is still that capture."""

    namespace: str
    name: str
    uid: str
    user: str


@dataclass(frozen=True, slots=True)
class FileStream:
    """A file on its way: `length` in bytes is known, the chunks come as they arrive."""

    length: int
    chunks: AsyncIterator[bytes]


class AgentClient:
    """Asks agents, found in a directory, over one pool of connections."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        directory: AgentDirectory,
        tls: Callable[[], ssl.SSLContext | None],
    ) -> None:
        """Ask through `session`; `tls` gives the newest certificate of ours, None before there is one."""
        self.directory = directory
        self._session = session
        self._tls = tls

    async def list_files(self, node: str, capture: CaptureFiles) -> FileList:
        """Return the files of a capture on one node. Raises AgentUnreachableError."""
        async with self._get(node, capture, "") as response:
            if response.status == _NOT_FOUND:
                return FileList()
            if response.status != _OK:
                raise AgentUnreachableError(node, f"its agent answers {response.status}")
            with _translated_errors(node):
                async with asyncio.timeout(LISTING_SECONDS):
                    document = orjson.loads(await _read(response))
        if not isinstance(document, dict):
            raise AgentUnreachableError(node, "its agent's answer is no listing")
        return FileList.from_json(document)

    @asynccontextmanager
    async def open_file(
        self, node: str, capture: CaptureFiles, file_name: str
    ) -> AsyncGenerator[FileStream]:
        """Open one file. Raises ApiError: 404 where it does not exist, 503 where its node is away."""
        try:
            async with self._get(node, capture, "/" + quote(file_name, safe="")) as response:
                yield _file_stream(response, node, file_name)
        except AgentUnreachableError as error:
            raise status.unavailable(str(error), retry_after_seconds=5) from error

    @asynccontextmanager
    async def _get(
        self, node: str, capture: CaptureFiles, below: str
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """Ask the agent; the deadline is for the beginning of its answer, not for a whole file."""
        address = self.directory.find(node)
        if address is None:
            raise AgentUnreachableError(node, "it has no agent")
        tls = self._tls()
        if tls is None:
            raise AgentUnreachableError(node, "this server has no certificate to show to it yet")
        name = agent_dns_name(node)
        with _translated_errors(node):
            # TLS does so too, when it has opened the connection that it then forgets to close.
            name.encode("idna")
        path = files_path(capture.namespace, capture.name)
        host = f"[{address.host}]" if ":" in address.host else address.host
        request = self._session.get(
            # As it is: what a name holds must not become a query of its own, or another path.
            URL(
                f"https://{host}:{address.port}{path}{below}?uid={quote(capture.uid)}",
                encoded=True,
            ),
            headers={USER_HEADER: capture.user},
            ssl=tls,
            server_hostname=name,
            timeout=aiohttp.ClientTimeout(total=None, sock_read=ANSWER_SECONDS),
            # Where to ask, and as whom, is not for an agent to say.
            allow_redirects=False,
        )
        with _translated_errors(node):
            async with asyncio.timeout(ANSWER_SECONDS):
                response = await request
        async with response:
            yield response


@contextmanager
def _translated_errors(node: str) -> Iterator[None]:
    """Raise whatever goes wrong between here and an agent as AgentUnreachableError."""
    try:
        yield
    # ValueError: an answer that is no JSON, or a node's name that is none for TLS.
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise AgentUnreachableError(node, str(error) or "it does not answer") from error


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Return a body. Raises ValueError where it is too long."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        body += chunk
        if len(body) > MAX_LISTING_BYTES:
            raise ValueError(f"its agent's listing is longer than {MAX_LISTING_BYTES} bytes")
    return bytes(body)


def _file_stream(response: aiohttp.ClientResponse, node: str, file_name: str) -> FileStream:
    if response.status == _NOT_FOUND:
        message = f'file "{file_name}" not found on node "{node}"'
        raise status.ApiError(_NOT_FOUND, "NotFound", message)
    if response.status != _OK or response.content_length is None:
        raise AgentUnreachableError(node, f"its agent answers {response.status}")
    return FileStream(response.content_length, aiter(response.content.iter_chunked(CHUNK_BYTES)))
