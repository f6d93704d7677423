"""kube-apiserver with our resource and its mirror, and what each scenario has shown."""

import json
import ssl
from collections.abc import Callable
from functools import cache
from typing import TypeAlias
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from apiserver.resource.types import PLURAL, VERSION
from apiserver.serving.tls import PemPair, client_tls
from tests.cluster.cluster import Cluster
from tests.cluster.ready import until_ready
from tests.conformance.doors import MASTERS
from tests.conformance.server import Server
from tests.conformance.sidebyside.exchange import KubeApiserver
from tests.conformance.sidebyside.mirror import MIRROR_GROUP, NAME, definition
from tests.conformance.sidebyside.running import Found, both_sides, run
from tests.conformance.sidebyside.scenarios.all import SCENARIOS

NewNamespace: TypeAlias = Callable[[], str]
FoundIn: TypeAlias = Callable[[str], list[Found]]


@pytest.fixture(scope="session")
def kube_apiserver(cluster: Cluster, server: Server) -> KubeApiserver:
    """The cluster's, which serves our resource from the server, and the mirror by itself."""
    cluster.kubectl("create", "-f-", input=json.dumps(definition()))
    cluster.wait("condition=Established", f"crd/{NAME}")
    mirror = f"/apis/{MIRROR_GROUP}/{VERSION}/{PLURAL}"
    until_ready(
        cluster.control_plane.kube_apiserver,
        lambda: cluster.kubectl("get", "--raw", mirror, check=False).returncode == 0,
    )
    address = urlsplit(cluster.server)
    assert address.hostname
    assert address.port
    return KubeApiserver(address.hostname, address.port, _administrator(cluster))


def _administrator(cluster: Cluster) -> ssl.SSLContext:
    authority = cluster.authorities.cluster
    pair = authority.issue("admin", organizations=[MASTERS])
    return client_tls(PemPair(pair.certificate, pair.key), authority.certificate)


@pytest.fixture(scope="session")
def make_namespace(kube_apiserver: KubeApiserver) -> NewNamespace:
    """How to make a namespace. None is deleted: the cluster will be."""

    def make() -> str:
        name = f"side-{uuid4().hex[:8]}"
        connection = kube_apiserver.connect()
        connection.request(
            "POST",
            "/api/v1/namespaces",
            body=json.dumps({"metadata": {"name": name}}),
            headers={"Content-Type": "application/json"},
        )
        assert connection.getresponse().status == 201
        connection.close()
        return name

    return make


@pytest.fixture(scope="session")
def found_in(kube_apiserver: KubeApiserver, make_namespace: NewNamespace) -> FoundIn:
    """What a scenario of this title has shown; it runs once."""
    scenarios = {each.title: each for each in SCENARIOS}

    @cache
    def run_once(title: str) -> list[Found]:
        with both_sides(kube_apiserver, make_namespace()) as both:
            return run(scenarios[title], both)

    return run_once
