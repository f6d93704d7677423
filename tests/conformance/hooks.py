"""Webhooks of a test: configured for its namespace, and in force when the test goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from apiserver.jsontypes import JsonObject
from tests.conformance.client import Client
from tests.fakes.webhook import WebhookServer, a_configuration, a_rule
from tests.support.client import capture

_PATH = "/apis/admissionregistration.k8s.io/v1/{}webhookconfigurations"
_SEEN = "/seen"


@dataclass(frozen=True, slots=True)
class Hooks:
    """Webhooks in one namespace. What they were asked is in `server.asked`."""

    server: WebhookServer
    admin: Client
    kubernetes: Client
    namespace: str
    stack: AsyncExitStack

    async def configure(self, kind: str, *webhooks: JsonObject) -> None:
        """Have webhooks called, `mutating` or `validating`, until the end of the test."""
        # One more, of the same configuration alone, tells when the server knows of them all.
        seen_at = f"{_SEEN}-{kind}"
        seen = self.server.at(seen_at, rules=[a_rule("CREATE")], sideEffects="None")
        within: JsonObject = {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}}
        selected: list[JsonObject] = [
            {"namespaceSelector": within, **each} for each in (seen, *webhooks)
        ]
        path, name = _PATH.format(kind), f"{kind}-{self.namespace}"
        answer = await self.kubernetes.request("POST", path, a_configuration(name, *selected))
        assert answer.code == 201, answer.body
        self.stack.push_async_callback(self.kubernetes.delete, f"{path}/{name}")
        async with asyncio.timeout(10):
            while seen_at not in self.server.paths:
                await self.admin.create(self.namespace, capture("unseen"), dryRun="All")
        self.forget()

    def requests(self, path: str) -> list[JsonObject]:
        """Return what was asked at a path."""
        return [each.request for each in self.server.asked if each.path == path]

    def forget(self) -> None:
        """Forget what was asked until now."""
        self.server.asked.clear()


@asynccontextmanager
async def open_hooks(
    server: WebhookServer, admin: Client, kubernetes: Client, namespace: str
) -> AsyncIterator[Hooks]:
    """Have webhooks for as long as the block lasts."""
    async with AsyncExitStack() as stack:
        yield Hooks(server, admin, kubernetes, namespace, stack)
