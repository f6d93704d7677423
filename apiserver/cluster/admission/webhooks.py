"""Admission webhooks: who is asked about a write, and in which order (apiserver-protocol 9.2).

Mutating ones are asked one after the other, and once more where `reinvocationPolicy` says so and the
object has changed since; validating ones all at once. Audit annotations in answers are ignored.
`matchConditions` are taken for true: they are written in CEL, which is not evaluated here, and a
webhook rather is asked too often than passed by.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final
from uuid import uuid4

from apiserver.cluster.admission.asking import Account, Asking, uncounted
from apiserver.cluster.admission.calling import calling_webhooks
from apiserver.cluster.admission.configurations import Phase, Webhook, read_configuration
from apiserver.cluster.admission.observed import Observed, observed
from apiserver.cluster.admission.selection import NamespaceLabels, applies
from apiserver.jsontypes import JsonObject
from apiserver.upstream.client import Client
from apiserver.wire.admissionreview import Admitted, Attributes
from apiserver.wire.resources import Resource
from apiserver.wire.status import ApiError

log = logging.getLogger(__name__)

_GROUP_PATH: Final = "/apis/admissionregistration.k8s.io/v1"
MUTATING_PATH: Final = f"{_GROUP_PATH}/mutatingwebhookconfigurations"
VALIDATING_PATH: Final = f"{_GROUP_PATH}/validatingwebhookconfigurations"


class Webhooks:
    """The webhooks of a cluster, as last seen. See `following_webhooks`."""

    def __init__(
        self,
        mutating: Observed[tuple[Webhook, ...]],
        validating: Observed[tuple[Webhook, ...]],
        namespaces: NamespaceLabels,
        asking: Asking,
    ) -> None:
        self._mutating = mutating
        self._validating = validating
        self._namespaces = namespaces
        self._asking = asking

    @property
    def problem(self) -> str:
        """Why not all webhooks are known; empty once they are. Until then nothing is written."""
        return self._mutating.problem or self._validating.problem

    async def mutate(self, attributes: Attributes) -> Admitted:
        """Ask the mutating ones, in the order of names. Raises ApiError."""
        await self._mutating.require_seen(attributes)
        mutation = _Mutation(attributes, self._asking, self._namespaces)
        return await mutation.run(tuple(_flat(self._mutating.in_order)))

    async def validate(self, attributes: Attributes) -> tuple[str, ...]:
        """Ask the validating ones, all at once; the first no to arrive counts. Raises ApiError."""
        await self._validating.require_seen(attributes)
        asked = [
            each
            for each in _flat(self._validating.in_order)
            if await applies(each.match, attributes, self._namespaces)
        ]
        warnings: list[str] = []
        errors: list[ApiError] = []

        async def ask(webhook: Webhook) -> None:
            try:
                admitted = await self._asking.ask(webhook, attributes, Phase.VALIDATING)
                warnings.extend(admitted.warnings)
            except ApiError as error:
                warnings.extend(error.warnings)
                errors.append(error)

        async with asyncio.TaskGroup() as tasks:
            for each in asked:
                tasks.create_task(ask(each))
        if errors:
            errors[0].warnings = tuple(warnings)
            raise errors[0]
        return tuple(warnings)


class _Mutation:
    """The object on its way through the mutating webhooks."""

    def __init__(
        self, attributes: Attributes, asking: Asking, namespaces: NamespaceLabels
    ) -> None:
        self._attributes = attributes
        self._asking = asking
        self._namespaces = namespaces
        self._warnings: list[str] = []
        self._has_changed = False
        # Of those that want to see what others change: asked since the last change, and before it.
        self._current: set[tuple[str, int]] = set()
        self._due: set[tuple[str, int]] = set()

    async def run(self, webhooks: tuple[Webhook, ...]) -> Admitted:
        try:
            for each in webhooks:
                await self._ask(each)
            if self._has_changed:
                for each in webhooks:
                    if each.place in self._due:
                        await self._ask(each)
        except ApiError as error:
            error.warnings = (*self._warnings, *error.warnings)
            raise
        return Admitted(self._attributes.document, tuple(self._warnings))

    async def _ask(self, webhook: Webhook) -> None:
        before = self._attributes
        if not await applies(webhook.match, before, self._namespaces):
            return
        admitted = await self._asking.ask(webhook, before, Phase.MUTATING)
        self._warnings.extend(admitted.warnings)
        if admitted.document is not before.document:
            self._attributes = replace(before, document=admitted.document)
            self._has_changed = True
            self._due |= self._current
            self._current.clear()
        if webhook.is_reinvoked:
            self._current.add(webhook.place)


def _flat(configurations: Iterable[tuple[Webhook, ...]]) -> Iterable[Webhook]:
    return (webhook for each in configurations for webhook in each)


class _Reader:
    """Reads configurations, keeps what is about our resource, and tells once what is not honoured."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._told: set[str] = set()

    def read(self, configuration: JsonObject) -> tuple[Webhook, ...]:
        webhooks = tuple(
            each
            for each in read_configuration(configuration)
            if each.match.is_about(self._resource)
        )
        for each in webhooks:
            if each.has_conditions and each.name not in self._told:
                self._told.add(each.name)
                log.warning(
                    "matchConditions of a webhook are not evaluated: it is asked as if they held",
                    extra={"configuration": each.place[0], "webhook": each.name},
                )
        return webhooks


@asynccontextmanager
async def following_webhooks(
    client: Client,
    resource: Resource,
    namespaces: NamespaceLabels,
    *,
    account: Account = uncounted,
    new_uid: Callable[[], str] = lambda: str(uuid4()),
) -> AsyncGenerator[Webhooks]:
    """Keep the webhooks that are about the resource known for as long as the block lasts."""
    read = _Reader(resource).read
    async with (
        calling_webhooks(client, new_uid) as calls,
        observed(client, MUTATING_PATH, "MutatingWebhookConfigurations", read) as mutating,
        observed(client, VALIDATING_PATH, "ValidatingWebhookConfigurations", read) as validating,
    ):
        yield Webhooks(mutating, validating, namespaces, Asking(calls, account))
