"""Read the configuration, open the store, build the application, serve until told to stop."""

import asyncio
import logging
import random
import ssl
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import uuid4

from prometheus_client import CollectorRegistry

from apiserver.config import ClusterConfig, Config, ConfigError, parse_config
from apiserver.environment.cluster import in_cluster
from apiserver.environment.interface import DelegationMetrics, Environment
from apiserver.environment.standalone import alone
from apiserver.pcap.compiler import FilterCompiler
from apiserver.registry.admission import Admission
from apiserver.registry.capping.caps import capping
from apiserver.registry.controls import Controls
from apiserver.registry.explanation import Explanation
from apiserver.registry.leftovers import Leftovers
from apiserver.registry.packetcaptures import PACKET_CAPTURES, PacketCaptureStrategy
from apiserver.registry.statuses.heartbeats import Heartbeats
from apiserver.registry.statuses.reports import ReportMerger
from apiserver.registry.statuses.statuswriting import StatusWriter
from apiserver.registry.statuses.upkeep import Upkeep
from apiserver.registry.verbs import Registry
from apiserver.server.admissionmetrics import AdmissionMetrics
from apiserver.server.app import Door, build_app
from apiserver.server.authmetrics import ReviewMetrics
from apiserver.server.files import FileHandlers
from apiserver.server.limits import Limits
from apiserver.server.meta import MetaHandlers
from apiserver.server.metrics import ServerMetrics
from apiserver.server.reports import REPORTS, ReportHandler
from apiserver.server.resources import ResourceHandlers
from apiserver.server.responses import Renderer
from apiserver.server.routes import Routes
from apiserver.server.watching import WatchHandler
from apiserver.serving.clock import utc_now
from apiserver.serving.lifecycle import Ending, serving, until_signalled
from apiserver.serving.logs import log_causes, log_to_stderr
from apiserver.serving.loop import run as run_loop
from apiserver.serving.probes import Check, Probe
from apiserver.storage.interface import Store, StoreError
from apiserver.storage.sqlite.store import open_sqlite_store
from apiserver.upstream.client import UpstreamError
from apiserver.wire.names import NAME_SUFFIX_ALPHABET, NAME_SUFFIX_LENGTH

log = logging.getLogger(__name__)

# For what is left of requests when the time that they had is over.
CLOSING_SECONDS = 1.0


async def run(config: Config) -> None:
    """Serve until a signal comes.

    Raises OSError, ssl.SSLError, ValueError, StoreError or UpstreamError where it cannot begin.
    """
    waits = isinstance(config.mode, ClusterConfig)
    numbers = CollectorRegistry()
    delegated = DelegationMetrics(ReviewMetrics(numbers), AdmissionMetrics(numbers))
    heartbeats = Heartbeats(clock=utc_now, monotonic=time.monotonic)
    async with (
        _environment(config, delegated, heartbeats) as environment,
        # A pod that is being replaced has the directory for some seconds more.
        open_sqlite_store(config.data_dir, clock=utc_now, wait=waits) as store,
        FilterCompiler() as compiler,
        _opening_registry(config, environment, store, compiler, delegated) as registry,
    ):
        limits = Limits(config.bounds)
        metrics = ServerMetrics(
            numbers, limits, stored=PACKET_CAPTURES, count=registry.reader.count
        )
        await _serve(config, environment, registry, heartbeats, metrics)


def _environment(
    config: Config, delegated: DelegationMetrics, heartbeats: Heartbeats
) -> AbstractAsyncContextManager[Environment]:
    mode = config.mode
    if isinstance(mode, ClusterConfig):
        return in_cluster(config, mode, delegated, heartbeats)
    return alone(config, mode, heartbeats)


@asynccontextmanager
async def _opening_registry(
    config: Config,
    environment: Environment,
    store: Store,
    compiler: FilterCompiler,
    delegated: DelegationMetrics,
) -> AsyncGenerator[Registry]:
    """Put the verbs together with all that have a say in a write."""
    strategy = PacketCaptureStrategy(compiler)
    surroundings = environment.surroundings
    async with capping(
        store, strategy, config.allowance, surroundings=surroundings, clock=utc_now
    ) as caps:
        # The caps first, so that nobody else charges for what is refused anyway; the explanation last,
        # because it speaks only of what nobody refuses.
        explanation = Explanation(strategy, compiler, surroundings, environment.access)
        controls = (caps, *environment.controls, explanation)
        admission = _admission(
            strategy, environment, Controls(controls, stepped=delegated.admission.stepped)
        )
        yield Registry(store, strategy, admission, clock=utc_now, claims=caps)


async def _serve(
    config: Config,
    environment: Environment,
    registry: Registry,
    heartbeats: Heartbeats,
    metrics: ServerMetrics,
) -> None:
    ending = Ending()
    surroundings = environment.surroundings
    writer = StatusWriter(registry, surroundings, environment.recorder, clock=utc_now)
    merger = ReportMerger(writer, heartbeats, monotonic=time.monotonic)
    upkeep = Upkeep(registry, merger, surroundings, heartbeats, clock=utc_now)
    leftovers = Leftovers(registry, environment.namespaces, monotonic=time.monotonic)
    routes = _routes(registry, merger, environment, ending)
    door = Door(
        routes,
        environment.authenticator,
        environment.access,
        ending=ending,
        clock=utc_now,
        metrics=metrics,
    )
    async with (
        serving(
            build_app(door),
            host=config.bind_address,
            port=config.secure_port,
            tls=environment.tls.context,
            shutdown_seconds=CLOSING_SECONDS,
            handshake_failed=metrics.handshake_failed,
        ) as port,
        asyncio.TaskGroup() as tasks,
    ):
        working = [tasks.create_task(each.run()) for each in (merger, leftovers, upkeep)]
        log.info("serving", extra={"address": config.bind_address, "port": port})
        await until_signalled()
        log.info("ending")
        await ending.run(
            delay_seconds=config.shutdown_delay_seconds, drain_seconds=config.shutdown_seconds
        )
        for task in working:
            task.cancel()


def _admission(
    strategy: PacketCaptureStrategy, environment: Environment, controls: Controls
) -> Admission:
    return Admission(
        strategy,
        namespaces=environment.namespaces,
        controls=controls,
        clock=utc_now,
        new_uid=lambda: str(uuid4()),
        new_suffix=lambda: "".join(random.choices(NAME_SUFFIX_ALPHABET, k=NAME_SUFFIX_LENGTH)),  # noqa: S311 - a name, not a secret
    )


def _routes(
    registry: Registry, merger: ReportMerger, environment: Environment, ending: Ending
) -> Routes:
    renderer = Renderer(registry, clock=utc_now)
    agents = environment.agents
    return Routes(
        resource=PACKET_CAPTURES,
        reports_resource=REPORTS,
        resources=ResourceHandlers(registry, renderer, environment.access),
        watches=WatchHandler(registry, renderer, ending=ending.begun, random=random.random),
        files=FileHandlers(registry, agents) if agents else None,
        reports=ReportHandler(merger, environment.pod_nodes),
        meta=MetaHandlers(registry.strategy),
        probes=_probes(registry.store, environment.checks, ending),
    )


def _probes(store: Store, checks: tuple[Check, ...], ending: Ending) -> dict[str, Probe]:
    async def alive() -> str:
        return ""

    async def stored() -> str:
        try:
            await store.current_revision()
        except StoreError as error:
            return str(error)
        return ""

    async def staying() -> str:
        return "the server is shutting down" if ending.announced.is_set() else ""

    ping, storage, shutdown = (
        Check("ping", alive),
        Check("storage", stored),
        Check("shutdown", staying),
    )
    return {
        "/livez": Probe("livez", (ping,)),
        "/healthz": Probe("healthz", (ping, storage)),
        "/readyz": Probe("readyz", (ping, storage, *checks, shutdown)),
    }


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
        run_loop(run(config))
    except* (OSError, ssl.SSLError, ValueError, StoreError, UpstreamError) as group:
        log_causes(log, "cannot serve", group)
        code = 1
    return code
