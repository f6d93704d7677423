"""A cluster, a server of webhooks, and writes of captures."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from apiserver.cluster.admission.webhooks import (
    MUTATING_PATH,
    VALIDATING_PATH,
    following_webhooks,
)
from apiserver.cluster.namespaces import PATH as NAMESPACES_PATH
from apiserver.cluster.namespaces import following_namespaces
from apiserver.jsontypes import JsonObject
from apiserver.registry.packetcaptures import PACKET_CAPTURES
from apiserver.upstream.client import open_client
from apiserver.wire.admissionreview import Attributes, Operation
from tests.fakes.kubernetes_api import write_kubeconfig
from tests.fakes.webhook import a_configuration, serving_webhooks

USER: JsonObject = {
    "username": "alice",
    "uid": "u1",
    "groups": ["dev", "system:authenticated"],
    "extra": {},
}


def a_document(name="http", **metadata):
    return {
        "apiVersion": "projectcalico.org/v3",
        "kind": "PacketCapture",
        "metadata": {"name": name, "namespace": "shop", **metadata},
        "spec": {"selector": "all()"},
    }


def options(kind):
    return {"kind": kind, "apiVersion": "meta.k8s.io/v1"}


CREATE = Attributes(
    operation=Operation.CREATE,
    resource=PACKET_CAPTURES,
    subresource="",
    namespace="shop",
    name="http",
    document=a_document(),
    old=None,
    options=options("CreateOptions"),
    dry_run=False,
    user=USER,
)
UPDATE = replace(
    CREATE, operation=Operation.UPDATE, old=a_document(), options=options("UpdateOptions")
)
DELETE = replace(
    CREATE,
    operation=Operation.DELETE,
    document=None,
    old=a_document(),
    options=options("DeleteOptions"),
)


@pytest.fixture
def create():
    return CREATE


@pytest.fixture
def update():
    return UPDATE


@pytest.fixture
def delete():
    return DELETE


@pytest.fixture
async def unreachable(tmp_path):
    """A client of a cluster where nobody listens."""
    config = await asyncio.to_thread(write_kubeconfig, tmp_path / "gone", "http://127.0.0.1:1")
    async with open_client(config) as opened:
        yield opened


@pytest.fixture
async def server():
    async with serving_webhooks(dns_names=["hook.ops.svc"]) as running:
        yield running


@pytest.fixture
def calls():
    """What was called, as those who count are told."""
    return []


@pytest.fixture
def follow(api, client, calls):
    """Follow webhooks, some of them configured before."""

    @asynccontextmanager
    async def following(*, mutating=(), validating=()):
        labels = {"team": "net"}
        await api.create(NAMESPACES_PATH, {"metadata": {"name": "shop", "labels": labels}})
        for path, webhooks in ((MUTATING_PATH, mutating), (VALIDATING_PATH, validating)):
            if webhooks:
                await api.create(path, a_configuration("only", *webhooks))
        async with (
            following_namespaces(client) as namespaces,
            following_webhooks(
                client, PACKET_CAPTURES, namespaces, account=calls.append
            ) as webhooks,
        ):
            yield webhooks

    return following
