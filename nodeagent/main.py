"""Read the configuration, follow captures, pods and links, capture, serve files until told to stop."""

import asyncio
import logging
import sys
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import uuid4

from apiserver.resource.spec.codec import decode_capture
from apiserver.serving.clock import utc_now
from apiserver.serving.lifecycle import until_signalled
from apiserver.serving.logs import log_causes, log_to_stderr
from apiserver.serving.loop import run as run_loop
from apiserver.upstream.client import Client, UpstreamError, open_client, open_in_cluster_client
from nodeagent.accountlabels import AccountLabels
from nodeagent.capture.engine import Engine, open_engine
from nodeagent.capture.events import Event
from nodeagent.capture.storage import CaptureStorage
from nodeagent.capturedpackets import command as captured_packets
from nodeagent.cluster.captures import following_captures
from nodeagent.cluster.reports import post_report, sending_reports
from nodeagent.config import Config, ConfigError, InCluster, Standalone, parse_config
from nodeagent.descriptors import allow_descriptors
from nodeagent.discovery.links import Links, LinksError, following_links
from nodeagent.discovery.pods import CgroupsError, Pods, following_pods
from nodeagent.discovery.workloads import Workloads, WorkloadsError, following_workloads
from nodeagent.diskguard import DiskGuard, guarding_disk
from nodeagent.dryrun import show_endpoints
from nodeagent.filesport import FilesPort, ServingError, serving_from_cluster, serving_from_files
from nodeagent.health import Checks, serving_health
from nodeagent.metrics import AgentMetrics
from nodeagent.overview import Overview
from nodeagent.reconcile import Reconciler
from nodeagent.repeats import Repeats
from nodeagent.server import FileServer

log = logging.getLogger(__name__)

STOPPED_BY = (OSError, ServingError, UpstreamError, LinksError, WorkloadsError, CgroupsError)


class _Doorbell:
    """Rings the reconciler, which is made after those who ring."""

    def __init__(self) -> None:
        self.reconciler: Reconciler | None = None
        self.accounts: AccountLabels | None = None

    def ring(self) -> None:
        """Have a round made: captures have changed."""
        if self.accounts is not None:
            self.accounts.ask()
        if self.reconciler is not None:
            self.reconciler.wake()

    def hear(self, event: Event) -> None:
        """Pass on an event of the engine."""
        if self.reconciler is not None:
            self.reconciler.hear(event)


async def run(config: Config) -> None:
    """Run until a signal comes.

    Raises one of STOPPED_BY where waiting would mend nothing. That the cluster's API is away, or has
    no certificate for us yet, is none of it.
    """
    bell = _Doorbell()
    storage = CaptureStorage(config.capture_dir)
    metrics = AgentMetrics()
    async with (
        _open_client(config.mode.kubeconfig) as client,
        sending_reports(
            metrics.counting(partial(post_report, client)),
            node=config.node_name,
            boot_id=str(uuid4()),
        ) as sender,
        following_captures(
            client,
            decode=decode_capture,
            changed=bell.ring,
            reconnected=sender.request_full,
            remembered=await storage.find_all(),
        ) as captures,
        _following_endpoints(config, client) as endpoints,
        following_links() as links,
        open_engine(
            bell.hear,
            ring_budget_bytes=config.bounds.ring_memory_bytes,
            ring_bytes=config.bounds.ring_bytes,
        ) as engine,
    ):
        reconciler = Reconciler(
            engine,
            storage,
            captures,
            sender,
            max_endpoints=config.max_endpoints,
            rules=config.bounds.segments,
        )
        bell.reconciler = reconciler
        if isinstance(endpoints, Pods):
            bell.accounts = AccountLabels(captures, endpoints)
        bell.ring()
        files = FileServer(config.capture_dir, lambda: _readable_bytes(engine))
        pods_known = asyncio.Event()
        async with (
            _guarding_disk(config, engine, reconciler) as guard,
            _serving_files(config, client, files) as port,
        ):
            overview = Overview(
                reconciler,
                engine,
                captures,
                endpoints,
                guard,
                capture_dir=config.capture_dir,
                cgroup_root=config.cgroup_root,
            )
            metrics.watch(overview.figures, reconciler.rounds)
            async with (
                _serving_health(config, overview.checks(port, pods_known), metrics),
                asyncio.TaskGroup() as tasks,
            ):
                following = [
                    tasks.create_task(_follow_endpoints(endpoints, reconciler, pods_known)),
                    tasks.create_task(_follow_links(links, reconciler)),
                    tasks.create_task(_reconcile(reconciler, pods_known)),
                ]
                log.info("running", extra={"node": config.node_name})
                await until_signalled()
                log.info("ending")
                for task in following:
                    task.cancel()
        await reconciler.stop_all()


def _open_client(kubeconfig: Path | None) -> AbstractAsyncContextManager[Client]:
    return open_in_cluster_client() if kubeconfig is None else open_client(kubeconfig)


def _following_endpoints(
    config: Config, client: Client
) -> AbstractAsyncContextManager[Workloads | Pods]:
    match config.mode:
        case Standalone(workloads=path):
            return following_workloads(path, node=config.node_name)
        case InCluster(cgroup_root=root, tap=tap, interface_prefix=prefix):
            return following_pods(
                client,
                node=config.node_name,
                cgroup_root=root,
                tap=tap,
                interface_prefix=prefix,
            )


def _serving_files(
    config: Config, client: Client, files: FileServer
) -> AbstractAsyncContextManager[FilesPort]:
    host, port = config.bind_address, config.secure_port
    match config.mode:
        case Standalone(tls=pair, client_ca_file=authority):
            return serving_from_files(files, pair, authority, host=host, port=port)
        case InCluster(namespace=namespace):
            node = config.node_name
            return serving_from_cluster(
                files, client, node=node, namespace=namespace, host=host, port=port
            )


@asynccontextmanager
async def _guarding_disk(
    config: Config, engine: Engine, reconciler: Reconciler
) -> AsyncGenerator[DiskGuard]:
    """Guard the disk; it has been looked at before anything is captured."""
    budget = replace(config.bounds.disk, under_way=engine.most_under_way_bytes)
    async with guarding_disk(config.capture_dir, budget, engine, reconciler.disk) as guard:
        reconciler.disk.guard = guard
        yield guard


def _serving_health(
    config: Config, checks: Checks, metrics: AgentMetrics
) -> AbstractAsyncContextManager[None]:
    if not config.healthz_port:
        return nullcontext()
    host, port = config.healthz_bind_address, config.healthz_port
    return serving_health(checks, metrics.page, host=host, port=port)


async def _follow_endpoints(
    source: Workloads | Pods, reconciler: Reconciler, known: asyncio.Event
) -> None:
    async for endpoints in source:
        reconciler.set_endpoints(endpoints)
        known.set()


async def _reconcile(reconciler: Reconciler, pods_known: asyncio.Event) -> None:
    # Pods that were captured before a restart are not gone only because nobody has looked yet.
    await pods_known.wait()
    await reconciler.run()


async def _follow_links(links: Links, reconciler: Reconciler) -> None:
    async for present in links:
        reconciler.set_links(present)


def _readable_bytes(engine: Engine) -> dict[Path, int]:
    return {each.path: each.readable_bytes for each in engine.snapshot().values()}


async def _run_dry(config: Config) -> None:
    sys.stdout.write(await show_endpoints(config, _open_client, now=utc_now()))


def main(arguments: list[str]) -> int:
    """Run the node agent, or a command for its files; the exit status says whether it could."""
    if arguments[:1] == [captured_packets.NAME]:
        return captured_packets.main(arguments[1:])
    try:
        config = parse_config(arguments)
    except ConfigError as error:
        for problem in error.problems:
            sys.stderr.write(f"{problem}\n")
        return 2
    # Who reads a dry run has come for its answer.
    log_to_stderr("WARNING" if config.dry_run else config.log_level)
    for each in logging.getLogger().handlers:
        each.addFilter(Repeats())
    for problem in config.warnings:
        log.warning("a parameter is not taken", extra={"problem": problem})
    allow_descriptors()
    code = 0
    try:
        run_loop(_run_dry(config) if config.dry_run else run(config))
    except* STOPPED_BY as group:
        log_causes(log, "cannot run", group)
        code = 1
    return code
