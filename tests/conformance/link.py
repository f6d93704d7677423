"""A way to kube-apiserver that can be cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_READ_BYTES = 1 << 16


@dataclass(slots=True)
class Link:
    """A port that leads to another one."""

    host: str
    port: int
    listener: asyncio.Server | None = None
    ends: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Where it listens, for TLS."""
        assert self.listener is not None
        host, port = self.listener.sockets[0].getsockname()
        return f"https://{host}:{port}"

    def cut(self) -> None:
        """Reset what is connected, and let nobody connect any more."""
        assert self.listener is not None
        self.listener.close()
        for end in self.ends:
            end.transport.abort()

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Lead one connection to the other side, until either ends."""
        there, back = await asyncio.open_connection(self.host, self.port)
        self.ends |= {writer, back}
        with suppress(ConnectionError):
            async with asyncio.TaskGroup() as tasks:
                one = tasks.create_task(_copy(reader, back))
                two = tasks.create_task(_copy(there, writer))
                await asyncio.wait((one, two), return_when=asyncio.FIRST_COMPLETED)
                one.cancel()
                two.cancel()
        self.ends -= {writer, back}
        for end in (writer, back):
            end.transport.abort()


@asynccontextmanager
async def open_link(host: str, port: int) -> AsyncIterator[Link]:
    """Lead a port of the machine to this one for as long as the block lasts."""
    link = Link(host, port)
    link.listener = await asyncio.start_server(link.forward, "127.0.0.1", 0)
    try:
        yield link
    finally:
        link.cut()
        await link.listener.wait_closed()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while some := await reader.read(_READ_BYTES):
            writer.write(some)
            await writer.drain()
