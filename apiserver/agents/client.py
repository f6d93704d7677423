"""One request to one node agent: over TLS with certificates on both sides, with deadlines.

Agents' answers become `ApiError`s here and nowhere else.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from apiserver import agentapi
from apiserver.agents.directory import AgentDirectory
from apiserver.wire import status

# An agent that takes longer to begin its answer is as good as gone.
ANSWER_SECONDS = 5.0

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

    async def list_files(self, node: str, capture: CaptureFiles) -> agentapi.FileList:
        """Return the files of a capture on one node. Raises AgentUnreachableError."""
        async with self._get(node, capture, "") as response:
            if response.status == _NOT_FOUND:
                return agentapi.FileList()
            document = orjson.loads(await response.read()) if response.status == _OK else None
        if not isinstance(document, dict):
            raise AgentUnreachableError(node, f"its agent answers {response.status}")
        return agentapi.FileList.from_json(document)

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
        path = agentapi.files_path(capture.namespace, capture.name)
        host = f"[{address.host}]" if ":" in address.host else address.host
        request = self._session.get(
            # As it is: what a name holds must not become a query of its own, or another path.
            URL(
                f"https://{host}:{address.port}{path}{below}?uid={quote(capture.uid)}",
                encoded=True,
            ),
            headers={agentapi.USER_HEADER: capture.user},
            ssl=tls,
            server_hostname=agentapi.agent_dns_name(node),
            timeout=aiohttp.ClientTimeout(total=None, sock_read=ANSWER_SECONDS),
        )
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                response = await request
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = str(error) or "it does not answer"
            raise AgentUnreachableError(node, reason) from error
        async with response:
            yield response


def _file_stream(response: aiohttp.ClientResponse, node: str, file_name: str) -> FileStream:
    if response.status == _NOT_FOUND:
        message = f'file "{file_name}" not found on node "{node}"'
        raise status.ApiError(_NOT_FOUND, "NotFound", message)
    if response.status != _OK or response.content_length is None:
        raise AgentUnreachableError(node, f"its agent answers {response.status}")
    return FileStream(response.content_length, aiter(response.content.iter_chunked(CHUNK_BYTES)))
