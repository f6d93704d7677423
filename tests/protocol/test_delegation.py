"""The door of a server in a cluster: over real TLS, with the cluster's API played by a fake."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from apiserver.auth import subjectaccessreview, tokenreview, trust
from apiserver.auth.authentication import Authenticator
from apiserver.cluster import namespaces
from apiserver.pcap.compiler import FilterCompiler
from apiserver.pki import Identity, issue, new_authority
from apiserver.registry.admission import Admission
from apiserver.registry.packetcaptures import PACKET_CAPTURES, PacketCaptureStrategy
from apiserver.registry.reports import ReportMerger
from apiserver.registry.verbs import Registry
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
from tests.fakes import cluster_api
from tests.fakes.kubernetes_api import write_kubeconfig
from tests.support.client import GROUP, Client, capture, collection

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


@pytest.fixture
async def cluster():
    async with cluster_api.serving(cluster_api.ClusterAPI()) as api:
        yield Cluster(api)


@pytest.fixture
async def server(cluster, tmp_path, session) -> AsyncIterator[Server]:
    config = await asyncio.to_thread(write_kubeconfig, tmp_path / "config", cluster.api.url)
    async with (
        open_client(config) as upstream,
        open_sqlite_store(tmp_path / "data", clock=utc_now) as store,
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
        clock=utc_now,
        new_uid=lambda: "uid",
        new_suffix=lambda: "12345",
    )
    registry = Registry(store, STRATEGY, admission, clock=utc_now)
    renderer = Renderer(registry, clock=utc_now)
    return Routes(
        resource=PACKET_CAPTURES,
        reports_resource=REPORTS,
        resources=ResourceHandlers(registry, renderer),
        watches=WatchHandler(registry, renderer, ending=ending.begun, random=random.random),
        files=None,
        reports=ReportHandler(ReportMerger(registry, clock=utc_now, monotonic=lambda: 0.0)),
        meta=META,
        probes={"/readyz": readyz, "/livez": Probe("livez", ())},
    )


async def test_before_all_is_known_nothing_is_said_to_be_missing(server, cluster):
    early = [
        await server.proxy().request("GET", path, headers=REMOTE_ALICE)
        for path in ("/apis", GROUP, collection("shop", "http"), "/nothing", "/openapi/v3")
    ]
    livez, readyz = await server.nobody.get("/livez"), await server.nobody.get("/readyz")

    for answer in early:
        assert (answer.code, answer.json["reason"]) == (503, "ServiceUnavailable")
        assert answer.headers["Retry-After"] == "5"
        assert answer.json["message"] == (
            "the request has been made before all known HTTP paths have been installed, "
            "please try again"
        )
    assert (livez.code, readyz.code) == (200, 500)
    assert b"[-]authentication failed: reason withheld" in readyz.body


async def test_once_ready_a_server_stays_open(server, cluster):
    await cluster.set_up()
    await server.until_ready()

    await cluster.api.go_out()

    assert (await server.proxy().request("GET", "/nothing", headers=REMOTE_ALICE)).code == 500
    masters = {"X-Remote-User": "root", "X-Remote-Group": "system:masters"}
    assert (await server.proxy().request("GET", "/nothing", headers=masters)).code == 404


async def test_who_is_known_learns_what_is_missing(server, cluster):
    async with asyncio.timeout(10):
        while b"does not exist" not in (answer := await _readyz(server, "Bearer secret")).body:
            pass

    assert answer.code == 500
    assert b"[-]authentication failed: ConfigMap kube-system/" in answer.body


async def _readyz(server, authorization):
    headers = {"Authorization": authorization}
    return await server.nobody.request("GET", "/readyz", headers=headers)


async def test_a_token_that_is_nobodys_is_told_so_even_by_probes(server, cluster):
    await cluster.set_up()
    await server.until_ready()

    refused = await _readyz(server, "Bearer garbage")

    assert (refused.code, refused.json["reason"]) == (401, "Unauthorized")
    assert "WWW-Authenticate" not in refused.headers


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(None, id="no certificate"),
        pytest.param(pair(STRANGERS, FRONT_PROXY), id="the right name, of a strangers' CA"),
        pytest.param(pair(PROXIES, "somebody"), id="of the proxies' CA, with a wrong name"),
        pytest.param(
            pair(SERVERS, FRONT_PROXY, dns_names=("x",)), id="of the CA of our own certificate"
        ),
    ],
)
async def test_forged_headers_name_nobody(server, cluster, shown):
    await cluster.set_up()
    await server.until_ready()

    answer = await server.client(shown).request(
        "GET",
        collection("shop"),
        headers={"X-Remote-User": "root", "X-Remote-Group": "system:masters"},
    )

    assert (answer.code, answer.json["reason"]) == (401, "Unauthorized")
    assert cluster.reviewed == []


async def test_the_cluster_is_asked_for_the_user_that_the_front_proxy_names(server, cluster):
    await cluster.set_up()
    await server.until_ready()

    headers = {**REMOTE_ALICE, "X-Remote-Extra-Example.com%2ffoo": "1"}
    answer = await server.proxy().request("GET", collection("shop"), headers=headers)

    assert answer.code == 200
    assert cluster.reviewed == [
        {
            "user": "alice",
            "uid": "",
            "groups": ["dev", "system:authenticated"],
            "extra": {"example.com/foo": ["1"]},
            "resourceAttributes": {
                "namespace": "shop",
                "verb": "list",
                "group": "projectcalico.org",
                "version": "v3",
                "resource": "packetcaptures",
            },
        }
    ]


async def test_who_may_not_is_told_what_and_where(server, cluster):
    await cluster.set_up()
    await server.until_ready()
    cluster.forbidden.add("alice")

    refused = await server.proxy().request("GET", collection("shop"), headers=REMOTE_ALICE)

    assert (refused.code, refused.json["reason"]) == (403, "Forbidden")
    assert refused.json["message"] == (
        'packetcaptures.projectcalico.org is forbidden: User "alice" cannot list resource '
        '"packetcaptures" in API group "projectcalico.org" in the namespace "shop"'
    )


async def test_a_token_is_let_in_directly(server, cluster):
    await cluster.set_up()
    await server.until_ready()

    answers = [
        await server.nobody.request("GET", "/apis", headers={"Authorization": "Bearer secret"})
        for _ in range(3)
    ]

    assert [each.code for each in answers] == [200] * 3
    assert cluster.api.requests.count(("POST", tokenreview.PATH)) == 1


async def test_impersonation_is_refused_and_never_overlooked(server, cluster):
    await cluster.set_up()
    await server.until_ready()

    for header in ("Impersonate-User", "impersonate-group", "Impersonate-Extra-scope"):
        answer = await server.client(pair(CLIENTS, "bob")).request(
            "GET", collection("shop"), headers={header: "alice"}
        )

        assert (answer.code, answer.json["reason"]) == (403, "Forbidden")
    assert cluster.reviewed == []


async def test_a_new_ca_of_the_front_proxy_counts_at_once(server, cluster):
    await cluster.set_up()
    await server.until_ready()
    old, new = server.proxy(), server.proxy(NEW_PROXIES)
    assert (await new.request("GET", "/apis", headers=REMOTE_ALICE)).code == 401

    await cluster.api.replace(CONFIG_MAP, config_map(NEW_PROXIES))
    async with asyncio.timeout(10):
        while (await new.request("GET", "/apis", headers=REMOTE_ALICE)).code != 200:
            pass

    # The same connection, whose certificate was good until now.
    assert (await old.request("GET", "/apis", headers=REMOTE_ALICE)).code == 401


async def test_a_namespace_that_is_not_there_takes_nothing(server, cluster):
    await cluster.set_up()
    await server.until_ready()
    proxy = server.proxy()

    made = await proxy.request("POST", collection("shop"), capture(), headers=REMOTE_ALICE)
    missing = await proxy.request("POST", collection("away"), capture(), headers=REMOTE_ALICE)

    assert made.code == 201
    assert (missing.code, missing.json["message"]) == (404, 'namespaces "away" not found')


async def test_a_server_that_ends_serves_on_then_refuses(server, cluster):
    await cluster.set_up()
    await server.until_ready()
    proxy, over = server.proxy(), asyncio.Event()

    async with (
        asyncio.timeout(10),
        asyncio.TaskGroup() as tasks,
        proxy.watch(collection("shop"), headers=REMOTE_ALICE) as watch,
    ):
        ended = server.ending.run(
            delay_seconds=5, drain_seconds=5, sleep=lambda _seconds: over.wait()
        )
        tasks.create_task(ended)
        await server.ending.announced.wait()
        announced = await server.nobody.get("/readyz")
        served = await proxy.request("GET", "/apis", headers=REMOTE_ALICE)

        over.set()
        await server.ending.begun.wait()
        refused = await proxy.request("GET", "/apis", headers=REMOTE_ALICE)
        livez = await server.nobody.get("/livez")
        assert await watch.next() is None

    assert (announced.code, served.code, livez.code) == (500, 200, 200)
    assert served.headers["Connection"] == "close"
    assert (refused.code, refused.headers["Retry-After"]) == (503, "1")
    assert refused.json["message"] == "apiserver is shutting down"
