"""Many nodes at once: bounded, each with its own deadline; what is missing is said, never left out."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from apiserver.agentapi.files import FileEntry
from apiserver.agents.client import AgentClient, AgentUnreachableError, CaptureFiles

CONCURRENT_NODES = 16


@dataclass(frozen=True, slots=True)
class Listing:
    """Files by node, and why some nodes could not be asked."""

    files: dict[str, tuple[FileEntry, ...]]
    unreachable: dict[str, str]


async def list_everywhere(
    client: AgentClient, nodes: Iterable[str], capture: CaptureFiles
) -> Listing:
    """Ask every node for a capture's files."""
    listing = Listing({}, {})
    places = asyncio.Semaphore(CONCURRENT_NODES)

    async def ask(node: str) -> None:
        async with places:
            try:
                found = await client.list_files(node, capture)
            except AgentUnreachableError as error:
                listing.unreachable[node] = error.reason
            else:
                listing.files[node] = found.items

    async with asyncio.TaskGroup() as tasks:
        for node in sorted(set(nodes)):
            tasks.create_task(ask(node))
    return listing
