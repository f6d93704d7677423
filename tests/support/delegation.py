"""A server in a cluster, in this process: over real TLS, with the cluster's API played by a fake."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from apiserver.auth import subjectaccessreview, tokenreview, trust
from apiserver.auth.access import StandaloneAccess
from apiserver.auth.authentication import Authenticator
from apiserver.cluster import namespaces
from apiserver.environment.nothingknown import NothingKnown
from apiserver.pcap.compiler import FilterCompiler
from apiserver.pki import Identity, issue, new_authority
from apiserver.registry.admission import Admission
from apiserver.registry.controls import Controls
from apiserver.registry.packetcaptures import PACKET_CAPTURES, PacketCaptureStrategy
from apiserver.registry.statuses.heartbeats import Heartbeats
from apiserver.registry.statuses.reports import ReportMerger
from apiserver.registry.statuses.statuswriting import StatusWriter
from apiserver.registry.verbs import Registry
from apiserver.resource.status.happenings import SilentRecorder
from apiserver.server.app import Door, build_app
from apiserver.server.meta import MetaHandlers
from apiserver.server.reports import REPORTS, ReportHandler
from apiserver.server.resources import ResourceHandlers
from apiserver.server.responses import Renderer
from apiserver.server.routes import Routes
from apiserver.server.watching import WatchHandler
from apiserver.serving.clock import utc_now
from apiserver.serving.lifecycle import Ending, serving
from apiserver.serving.probes import Check, Probe
from apiserver.serving.tls import PemPair, ServerTLS, client_tls
from apiserver.storage.sqlite.store import open_sqlite_store
from apiserver.upstream.client import open_client
from tests.fakes.kubernetes_api import write_kubeconfig
from tests.support.client import Client

FRONT_PROXY = "front-proxy-client"
REMOTE_ALICE = {"X-Remote-User": "alice", "X-Remote-Group": "dev"}
STRATEGY = PacketCaptureStrategy(FilterCompiler())
META = MetaHandlers(STRATEGY)
CONFIG_MAP = f"{trust.PATH}/{trust.NAME}"


def authority(name):
    return new_authority(name, now=utc_now(), lifetime=timedelta(days=1))


SERVERS, CLIENTS = authority("servers"), authority("clients")
PROXIES, NEW_PROXIES = authority("proxies"), authority("new proxies")
STRANGERS = authority("strangers")


def pair(ca, name, *organizations, dns_names=()):
    identity = Identity(name, organizations, dns_names)
    made = issue(ca, identity, now=utc_now(), lifetime=timedelta(days=1))
    return PemPair(made.certificate, made.key)


def config_map(proxies=PROXIES):
    return {
        "metadata": {"name": trust.NAME},
        "data": {
            "client-ca-file": CLIENTS.certificate.decode(),
            "requestheader-client-ca-file": proxies.certificate.decode(),
            "requestheader-username-headers": '["X-Remote-User"]',
            "requestheader-group-headers": '["X-Remote-Group"]',
            "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
            "requestheader-allowed-names": json.dumps([FRONT_PROXY]),
        },
    }


class Cluster:
    """The fake's answers to reviews, and what it was asked."""

    def __init__(self, api):
        self.api = api
        self.reviewed = []
        self.forbidden = set()
        api.answers[tokenreview.PATH] = self._whose
        api.answers[subjectaccessreview.PATH] = self._may

    def _whose(self, document):
        if document["spec"]["token"] != "secret":
            return {**document, "status": {"error": "invalid bearer token"}}
        return {**document, "status": {"authenticated": True, "user": {"username": "robot"}}}

    def _may(self, document):
        self.reviewed.append(document["spec"])
        return {**document, "status": {"allowed": document["spec"]["user"] not in self.forbidden}}

    async def set_up(self):
        """Have what the server needs to become ready, and one namespace."""
        await self.api.create(trust.PATH, config_map())
        shop = {"metadata": {"name": "shop"}, "status": {"phase": "Active"}}
        await self.api.create(namespaces.PATH, shop)


class Server:
    """A running server, and clients of it."""

    def __init__(self, session, port, ending):
        self._session = session
        self._url = f"https://localhost:{port}"
        self.ending = ending

    def client(self, shown=None):
        return Client(self._session, self._url, client_tls(shown, SERVERS.certificate))

    @property
    def nobody(self):
        return self.client()

    def proxy(self, ca=PROXIES, name=FRONT_PROXY):
        return self.client(pair(ca, name))

    async def until_ready(self):
        """The server says it in no other way than it says it to a probe."""
        async with asyncio.timeout(10):
            while (await self.nobody.get("/readyz")).code != 200:
                pass


@asynccontextmanager
async def open_server(cluster, directory, session) -> AsyncIterator[Server]:
    """Run a server of which nothing is ready before `Cluster.set_up`."""
    config = await asyncio.to_thread(write_kubeconfig, directory / "config", cluster.api.url)
    async with (
        open_client(config) as upstream,
        open_sqlite_store(directory / "data", clock=utc_now) as store,
        trust.following_trust(upstream, sleep=_briefly) as trusted,
        namespaces.following_namespaces(upstream, sleep=_briefly) as known,
    ):
        ending = Ending()
        door = Door(
            _routes(store, known, _checks(trusted, known, ending), ending),
            Authenticator(trusted.current, tokenreview.TokenReviews(upstream, sleep=_briefly)),
            subjectaccessreview.SubjectAccessReviews(upstream, sleep=_briefly),
            ending=ending,
            clock=utc_now,
        )
        async with _listening(door) as port:
            yield Server(session, port, ending)


async def _briefly(_seconds: float) -> None:
    await asyncio.sleep(0)


@asynccontextmanager
async def _listening(door: Door) -> AsyncIterator[int]:
    tls = ServerTLS.any_client(pair(SERVERS, "server", dns_names=("localhost",)))
    async with serving(
        build_app(door), host="127.0.0.1", port=0, tls=tls.context, shutdown_seconds=1
    ) as port:
        yield port


def _checks(trusted, known, ending) -> Probe:
    async def authentication():
        return trusted.problem

    async def listed():
        return known.problem

    async def staying():
        return "ending" if ending.announced.is_set() else ""

    return Probe(
        "readyz",
        (
            Check("authentication", authentication),
            Check("namespaces", listed),
            Check("shutdown", staying),
        ),
    )


def _routes(store, known, readyz: Probe, ending: Ending) -> Routes:
    admission = Admission(
        STRATEGY,
        namespaces=known,
        controls=Controls(),
        clock=utc_now,
        new_uid=lambda: "uid",
        new_suffix=lambda: "12345",
    )
    registry = Registry(store, STRATEGY, admission, clock=utc_now)
    renderer = Renderer(registry, clock=utc_now)
    heartbeats = Heartbeats(clock=utc_now, monotonic=lambda: 0.0)
    writer = StatusWriter(registry, NothingKnown(heartbeats), SilentRecorder(), clock=utc_now)
    return Routes(
        resource=PACKET_CAPTURES,
        reports_resource=REPORTS,
        resources=ResourceHandlers(registry, renderer, StandaloneAccess()),
        watches=WatchHandler(registry, renderer, ending=ending.begun, random=random.random),
        files=None,
        reports=ReportHandler(ReportMerger(writer, heartbeats, monotonic=lambda: 0.0)),
        meta=META,
        probes={"/readyz": readyz, "/livez": Probe("livez", ())},
    )
