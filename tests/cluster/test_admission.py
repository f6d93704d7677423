"""Webhooks, policies and quotas of a cluster's administrator count for captures as for pods."""

import asyncio
import json
import subprocess
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.workloads import Document
from tests.fakes.webhook import (
    WebhookServer,
    a_rule,
    allowing,
    denying,
    patching,
    serving_webhooks,
)
from tests.support.client import capture

COUNTED = "count/packetcaptures.projectcalico.org"
CONFIGURATIONS = "admissionregistration.k8s.io/v1"


@dataclass(frozen=True)
class Shop:
    """A namespace, where captures are written; kubectl runs beside the webhooks."""

    cluster: Cluster
    namespace: str

    async def kubectl(
        self, *arguments: str, document: Document | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl, whatever comes of it."""
        return await asyncio.to_thread(
            self.cluster.kubectl,
            *arguments,
            f"--namespace={self.namespace}",
            input=json.dumps(document),
            check=False,
        )

    async def create(self, name: str, *flags: str) -> str:
        """Create a capture and return what kubectl complained of."""
        # With limits: of one without kubectl is told how little is kept.
        document = capture(name, limits={"files": 9})
        return (await self.kubectl("create", "-f-", *flags, document=document)).stderr

    async def make(self, *documents: Document) -> None:
        """Create what is not a capture."""
        await asyncio.to_thread(self.cluster.apply, *documents, namespace=self.namespace)

    async def labels(self, name: str) -> Document:
        """Return the labels of a capture."""
        found = await asyncio.to_thread(
            self.cluster.get, "packetcaptures.p", name, f"--namespace={self.namespace}"
        )
        labels: Document = found["metadata"].get("labels", {})
        return labels

    async def limit(self, limit: int, *, used: int) -> None:
        """Make a quota; return when the quota controller has counted so many captures."""
        quota = {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "few"},
            "spec": {"hard": {COUNTED: str(limit)}},
        }
        # The controller looks every half minute which resources there are. A quota on one that it
        # did not know yet is not counted anew for minutes: so another one is made.
        async with asyncio.timeout(90):
            while True:
                await self.kubectl("delete", "resourcequota", "few", "--ignore-not-found")
                await self.make(quota)
                with suppress(TimeoutError):
                    await self.until_used(used, seconds=5)
                    return

    async def until_used(self, count: int, *, seconds: int = 60) -> None:
        """Return when the quota says that there are so many captures."""

        def says(quota: Document) -> bool:
            used: str | None = quota.get("status", {}).get("used", {}).get(COUNTED)
            return used == str(count)

        path = f"/api/v1/namespaces/{self.namespace}/resourcequotas"
        await asyncio.to_thread(self.cluster.until, path, says, seconds=seconds)


@pytest.fixture
def shop(product, namespace):
    return Shop(product, namespace)


@pytest.fixture
async def hook(shop):
    """Webhooks on this machine, behind a Service of the namespace."""
    name = f"hook.{shop.namespace}.svc"
    async with serving_webhooks([name], address=shop.cluster.network.machine) as server:
        await shop.make(*_service(server))
        yield server


def _service(server: WebhookServer) -> tuple[Document, Document]:
    metadata = {"name": "hook", "labels": {"kubernetes.io/service-name": "hook"}}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"ports": [{"name": "https", "port": 443}]},
    }
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "addressType": "IPv4",
        "endpoints": [{"addresses": [server.address], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": server.port}],
    }
    return service, endpoints


@asynccontextmanager
async def configured(shop, kind, *webhooks):
    """Have a configuration of webhooks for this namespace alone."""
    for each in webhooks:
        path = each["clientConfig"].pop("url").removeprefix("https://").partition("/")[2]
        service = {"namespace": shop.namespace, "name": "hook", "path": f"/{path}"}
        each["clientConfig"]["service"] = service
        each["namespaceSelector"] = only(shop)
    await shop.make(
        {
            "apiVersion": CONFIGURATIONS,
            "kind": kind,
            "metadata": {"name": shop.namespace},
            "webhooks": list(webhooks),
        }
    )
    yield
    await shop.kubectl("delete", kind, shop.namespace)


def only(shop):
    """Select the one namespace."""
    return {"matchLabels": {"kubernetes.io/metadata.name": shop.namespace}}


async def until_complained(shop, words, *flags):
    """Create captures until one is complained of so: the server learns of it a moment later."""
    async with asyncio.timeout(60):
        number = 0
        while words not in await shop.create(f"try-{number}", *flags):
            number += 1


async def test_a_validating_webhook_behind_a_service_says_no(shop, hook):
    webhook = hook.at("/no", denying("not on Mondays", code=403), rules=[a_rule("CREATE")])
    async with configured(shop, "ValidatingWebhookConfiguration", webhook):
        await until_complained(
            shop, 'admission webhook "no.example.com" denied the request: not on Mondays'
        )

        assert (hook.server_names[-1], hook.asked[-1].path) == (
            f"hook.{shop.namespace}.svc",
            "/no",
        )
        assert hook.asked[-1].request["userInfo"]["username"] == "admin"


async def test_a_mutating_webhook_changes_what_is_stored(shop, hook):
    labels = patching({"op": "add", "path": "/metadata/labels", "value": {"team": "net"}})
    hook.at("/warned", allowing("labelled"))
    webhooks = hook.at("/label", labels), hook.at("/warned", allowing("labelled"))
    async with configured(shop, "MutatingWebhookConfiguration", *webhooks):
        await until_complained(shop, "Warning: labelled", "--dry-run=server")

        await shop.create("labelled")

        assert await shop.labels("labelled") == {"team": "net"}


async def test_a_webhook_that_cannot_prove_who_it_is_keeps_from_writing(shop, hook):
    webhook = hook.at("/a")
    webhook["clientConfig"]["caBundle"] = ""
    async with configured(shop, "ValidatingWebhookConfiguration", webhook):
        await until_complained(
            shop,
            'failed calling webhook "a.example.com": failed to call webhook: Post "https://hook.',
        )


async def test_a_policy_that_is_not_evaluated_is_told_of(shop):
    match = {"resourceRules": [a_rule("CREATE")], "namespaceSelector": only(shop)}
    policy = {
        "apiVersion": CONFIGURATIONS,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "never"},
        "spec": {"matchConstraints": match, "validations": [{"expression": "false"}]},
    }
    binding = {
        "apiVersion": CONFIGURATIONS,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "never"},
        "spec": {"policyName": "never", "validationActions": ["Deny"]},
    }
    await shop.make(policy, binding)

    await until_complained(shop, "Warning: ValidatingAdmissionPolicy 'never' is not evaluated")


async def test_there_are_no_more_captures_than_a_quota_says(shop):
    await shop.create("before")
    await shop.limit(2, used=1)

    async with asyncio.TaskGroup() as tasks:
        creating = [tasks.create_task(shop.create(f"c{number}")) for number in range(4)]
    complaints = [each.result() for each in creating]

    assert sorted(map(bool, complaints)) == [False, True, True, True]
    assert all(
        f"exceeded quota: few, requested: {COUNTED}=1, used: {COUNTED}=2, limited: {COUNTED}=2"
        in each
        for each in complaints
        if each
    )
    await shop.until_used(2)
    await shop.kubectl("delete", "packetcaptures.p", "before")
    await shop.until_used(1)
    assert not await shop.create("after")
    await shop.until_used(2)
