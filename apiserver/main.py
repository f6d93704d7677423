"""Read the configuration, open the store, build the application, serve until told to stop."""

import asyncio
import logging
import random
import ssl
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import aiohttp
import uvloop

from apiserver.agents.client import AgentClient
from apiserver.agents.directory import StaticDirectory
from apiserver.auth.authentication import Authenticator, RequestHeaderRules
from apiserver.auth.certificates import Authority
from apiserver.config import AgentsConfig, Config, ConfigError, RequestHeaderConfig, parse_config
from apiserver.pcap.compiler import FilterCompiler
from apiserver.registry.admission import Admission
from apiserver.registry.packetcaptures import PACKET_CAPTURES, PacketCaptureStrategy
from apiserver.registry.reports import ReportMerger
from apiserver.registry.verbs import Registry
from apiserver.server.app import Door, Routes, build_app
from apiserver.server.files import FileHandlers
from apiserver.server.meta import MetaHandlers
from apiserver.server.reports import REPORTS, ReportHandler
from apiserver.server.resources import ResourceHandlers
from apiserver.server.responses import Renderer
from apiserver.server.watching import WatchHandler
from apiserver.serving.clock import utc_now
from apiserver.serving.lifecycle import serving, until_signalled
from apiserver.serving.logs import log_causes, log_to_stderr
from apiserver.serving.probes import Check, Probe
from apiserver.serving.tls import client_context, server_context
from apiserver.storage.interface import Store, StoreError
from apiserver.storage.sqlite.store import open_sqlite_store
from apiserver.wire.names import NAME_SUFFIX_ALPHABET, NAME_SUFFIX_LENGTH

log = logging.getLogger(__name__)


async def run(config: Config) -> None:
    """Serve until a signal comes. Raises OSError, ssl.SSLError, ValueError or StoreError at start."""
    ending = asyncio.Event()
    tls = server_context(
        config.tls, client_authorities=_authority_files(config), client_certificate_required=False
    )
    authenticator = _authenticator(config)
    async with (
        open_sqlite_store(config.data_dir, clock=utc_now) as store,
        _agent_client(config.agents) as agents,
    ):
        registry = _registry(store)
        merger = ReportMerger(registry, clock=utc_now, monotonic=time.monotonic)
        routes = _routes(registry, merger, agents, ending)
        async with (
            serving(
                build_app(Door(routes, authenticator, clock=utc_now)),
                host=config.bind_address,
                port=config.secure_port,
                tls=tls,
                shutdown_seconds=config.shutdown_seconds,
            ) as port,
            asyncio.TaskGroup() as tasks,
        ):
            writing = tasks.create_task(merger.run())
            log.info("serving", extra={"address": config.bind_address, "port": port})
            await until_signalled()
            log.info("ending")
            ending.set()
            writing.cancel()


def _registry(store: Store) -> Registry:
    strategy = PacketCaptureStrategy(FilterCompiler())
    admission = Admission(
        strategy,
        clock=utc_now,
        new_uid=lambda: str(uuid4()),
        new_suffix=lambda: "".join(random.choices(NAME_SUFFIX_ALPHABET, k=NAME_SUFFIX_LENGTH)),  # noqa: S311 - a name, not a secret
    )
    return Registry(store, strategy, admission, clock=utc_now)


def _routes(
    registry: Registry, merger: ReportMerger, agents: AgentClient | None, ending: asyncio.Event
) -> Routes:
    renderer = Renderer(registry, clock=utc_now)
    return Routes(
        resource=PACKET_CAPTURES,
        reports_resource=REPORTS,
        resources=ResourceHandlers(registry, renderer),
        watches=WatchHandler(registry, renderer, ending=ending, random=random.random),
        files=FileHandlers(registry, agents) if agents else None,
        reports=ReportHandler(merger),
        meta=MetaHandlers(registry.strategy),
        probes=_probes(registry.store, ending),
    )


def _probes(store: Store, ending: asyncio.Event) -> dict[str, Probe]:
    async def alive() -> str:
        return ""

    async def stored() -> str:
        try:
            await store.current_revision()
        except StoreError as error:
            return str(error)
        return ""

    async def staying() -> str:
        return "the server is shutting down" if ending.is_set() else ""

    ping, storage, shutdown = (
        Check("ping", alive),
        Check("storage", stored),
        Check("shutdown", staying),
    )
    return {
        "/livez": Probe("livez", (ping,)),
        "/healthz": Probe("healthz", (ping, storage)),
        "/readyz": Probe("readyz", (ping, storage, shutdown)),
    }


def _authority_files(config: Config) -> tuple[Path, ...]:
    files = []
    if config.client_ca_file is not None:
        files.append(config.client_ca_file)
    if config.request_header is not None:
        files.append(config.request_header.client_ca_file)
    return tuple(files)


def _authenticator(config: Config) -> Authenticator:
    client_ca = config.client_ca_file
    return Authenticator(
        client_authority=Authority(client_ca.read_bytes()) if client_ca else None,
        request_header=_request_header(config.request_header) if config.request_header else None,
    )


def _request_header(config: RequestHeaderConfig) -> RequestHeaderRules:
    return RequestHeaderRules(
        authority=Authority(config.client_ca_file.read_bytes()),
        allowed_names=config.allowed_names,
        username_headers=config.username_headers,
        uid_headers=config.uid_headers,
        group_headers=config.group_headers,
        extra_prefixes=config.extra_headers_prefix,
    )


@asynccontextmanager
async def _agent_client(config: AgentsConfig | None) -> AsyncGenerator[AgentClient | None]:
    if config is None:
        yield None
        return
    tls = client_context(config.tls, authority=config.ca_file)
    # No limit here: downloads that stall must not keep others from asking for a listing.
    connections = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connections, auto_decompress=False) as session:
        yield AgentClient(session, StaticDirectory(config.addresses), tls)


def main(arguments: list[str]) -> int:
    """Run the API server; the exit status says whether it could start."""
    try:
        config = parse_config(arguments)
    except ConfigError as error:
        for problem in error.problems:
            sys.stderr.write(f"{problem}\n")
        return 2
    log_to_stderr(config.log_level)
    code = 0
    try:
        uvloop.run(run(config))
    except* (OSError, ssl.SSLError, ValueError, StoreError) as group:
        log_causes(log, "cannot serve", group)
        code = 1
    return code
