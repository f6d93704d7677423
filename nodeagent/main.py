"""Read the configuration, follow captures, pods and links, capture, serve files until told to stop."""

import asyncio
import logging
import ssl
from pathlib import Path
from uuid import uuid4

import uvloop

from apiserver.resource.codec import decode_capture
from apiserver.serving.clock import utc_now
from apiserver.serving.lifecycle import serving, until_signalled
from apiserver.serving.logs import log_causes, log_to_stderr
from apiserver.serving.tls import server_context
from apiserver.upstream.client import UpstreamError, open_client
from nodeagent.capture.engine import Engine, open_engine
from nodeagent.capture.events import Event
from nodeagent.capture.storage import CaptureStorage
from nodeagent.cluster.captures import following_captures
from nodeagent.cluster.reports import post_report, sending_reports
from nodeagent.config import Config, parse_config
from nodeagent.discovery.links import Links, LinksError, following_links
from nodeagent.discovery.workloads import Workloads, WorkloadsError, following_workloads
from nodeagent.reconcile import Reconciler
from nodeagent.server import FileServer, build_app

log = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 5.0


class _Doorbell:
    """Rings the reconciler, which is made after those who ring."""

    def __init__(self) -> None:
        self.reconciler: Reconciler | None = None

    def ring(self) -> None:
        """Have a round made."""
        if self.reconciler is not None:
            self.reconciler.wake()

    def hear(self, event: Event) -> None:
        """Pass on an event of the engine."""
        if self.reconciler is not None:
            self.reconciler.hear(event)


async def run(config: Config) -> None:
    """Run until a signal comes. Raises OSError, ssl.SSLError or UpstreamError at start."""
    tls = server_context(
        config.tls, client_authorities=(config.client_ca_file,), client_certificate_required=True
    )
    bell = _Doorbell()
    storage = CaptureStorage(config.capture_dir)
    async with (
        open_client(config.kubeconfig) as client,
        sending_reports(
            lambda report: post_report(client, report), node=config.node_name, boot_id=str(uuid4())
        ) as sender,
        following_captures(
            client,
            decode=decode_capture,
            changed=bell.ring,
            reconnected=sender.request_full,
            remembered=await storage.find_all(),
        ) as captures,
        following_workloads(config.workloads, node=config.node_name) as workloads,
        following_links() as links,
        open_engine(bell.hear) as engine,
    ):
        reconciler = Reconciler(engine, storage, captures, sender, clock=utc_now)
        bell.reconciler = reconciler
        app = build_app(FileServer(config.capture_dir, lambda: _readable_bytes(engine)))
        async with (
            serving(
                app,
                host=config.bind_address,
                port=config.secure_port,
                tls=tls,
                shutdown_seconds=SHUTDOWN_SECONDS,
            ),
            asyncio.TaskGroup() as tasks,
        ):
            following = [
                tasks.create_task(_follow_workloads(workloads, reconciler)),
                tasks.create_task(_follow_links(links, reconciler)),
                tasks.create_task(reconciler.run()),
            ]
            log.info("running", extra={"node": config.node_name})
            await until_signalled()
            log.info("ending")
            for task in following:
                task.cancel()
        await reconciler.stop_all()


async def _follow_workloads(workloads: Workloads, reconciler: Reconciler) -> None:
    async for endpoints in workloads:
        reconciler.set_endpoints(endpoints)


async def _follow_links(links: Links, reconciler: Reconciler) -> None:
    async for present in links:
        reconciler.set_links(present)


def _readable_bytes(engine: Engine) -> dict[Path, int]:
    return {each.path: each.readable_bytes for each in engine.snapshot().values()}


def main(arguments: list[str]) -> int:
    """Run the node agent; the exit status says whether it could start."""
    config = parse_config(arguments)
    log_to_stderr(config.log_level)
    code = 0
    try:
        uvloop.run(run(config))
    except* (OSError, ssl.SSLError, UpstreamError, LinksError, WorkloadsError) as group:
        log_causes(log, "cannot run", group)
        code = 1
    return code
