"""Alone on a machine: certificates and agents from flags, rules that are fixed (DESIGN 9.4)."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp

from apiserver.agents.client import AgentClient
from apiserver.agents.directory import StaticDirectory
from apiserver.auth.access import StandaloneAccess
from apiserver.auth.authentication import Authenticator
from apiserver.cluster.namespaces import EveryNamespace
from apiserver.config import AgentsConfig, Config, StandaloneConfig
from apiserver.environment.interface import Environment
from apiserver.environment.nothingknown import NothingKnown
from apiserver.environment.trust import read_trust
from apiserver.resource.status.happenings import SilentRecorder
from apiserver.resource.surroundings import Silence
from apiserver.serving.tls import ServerTLS, client_tls


@asynccontextmanager
async def alone(
    config: Config, mode: StandaloneConfig, silence: Silence
) -> AsyncGenerator[Environment]:
    """Set up an environment from files. Raises OSError, ssl.SSLError or ValueError."""
    pair = await asyncio.to_thread(mode.tls.read)
    trust = await asyncio.to_thread(read_trust, config)
    async with _agent_client(mode.agents) as agents:
        yield Environment(
            tls=ServerTLS.any_client(pair),
            authenticator=Authenticator(lambda: trust),
            access=StandaloneAccess(),
            namespaces=EveryNamespace(),
            controls=(),
            agents=agents,
            pod_nodes=None,
            surroundings=NothingKnown(silence),
            recorder=SilentRecorder(),
            checks=(),
        )


@asynccontextmanager
async def _agent_client(config: AgentsConfig | None) -> AsyncGenerator[AgentClient | None]:
    if config is None:
        yield None
        return
    pair = await asyncio.to_thread(config.tls.read)
    tls = client_tls(pair, await asyncio.to_thread(config.ca_file.read_bytes))
    async with opening_connections() as session:
        yield AgentClient(session, StaticDirectory(config.addresses), lambda: tls)


@asynccontextmanager
async def opening_connections() -> AsyncGenerator[aiohttp.ClientSession]:
    """Open the pool of connections to agents."""
    # No limit here: downloads that stall must not keep others from asking for a listing.
    connections = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connections, auto_decompress=False) as session:
        yield session
