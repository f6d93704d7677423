"""One connection to the server that sends bytes as they are, and reads what HTTP answers."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

# More than any answer's head; the reader's default is 64 KiB.
_HEAD_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """A response; header names are in lower case, and the last of each counts."""

    code: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def is_last(self) -> bool:
        """Whether the server closes the connection behind it."""
        return self.headers.get("connection", "").lower() == "close"

    @property
    def is_stream(self) -> bool:
        """Whether its body goes on: of a watch the head is all that was read."""
        return self.headers.get("transfer-encoding", "") == "chunked"


class RawConnection:
    """One request after the other, each whole."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, text: bytes) -> None:
        """Send bytes."""
        self._writer.write(text)

    async def ask(self, request: bytes) -> RawAnswer:
        """Send a request, and read its answer. Raises EOFError where the server hangs up, OSError."""
        self.send(request)
        return await self.answer()

    async def answer(self, *, is_head: bool = False) -> RawAnswer:
        """Read the next answer; of one to a HEAD just the head. Raises EOFError, OSError."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("utf-8", "replace")
        first, *lines = head[:-4].split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        length = 0 if is_head else int(headers.get("content-length", "0"))
        body = await self._reader.readexactly(length) if length else b""
        return RawAnswer(int(first.split(" ", 2)[1]), headers, body)


@asynccontextmanager
async def raw_connection(url: str, tls: ssl.SSLContext) -> AsyncIterator[RawConnection]:
    """Open a connection to a server on this machine; it is cut off at the end of the block."""
    port = int(url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=tls, server_hostname="localhost", limit=_HEAD_BYTES
    )
    try:
        yield RawConnection(reader, writer)
    finally:
        writer.transport.abort()


def request_text(
    method: str, target: str, body: bytes = b"", *, headers: Mapping[str, str] | None = None
) -> bytes:
    """Return a request, its target as it is to be sent."""
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body or method in {"POST", "PUT", "PATCH"}:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "\r\n"]).encode() + body


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has taken: seconds of processor time, bytes of memory at this moment."""

    seconds: float
    resident_bytes: int


def usage(pid: int) -> Usage:
    """Read what a process has taken so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    pages = int(fields[21])
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE"))
