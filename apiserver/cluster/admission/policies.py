"""ValidatingAdmissionPolicies: not evaluated here, and that is said (apiserver-protocol 9.3).

They are written in CEL with functions that only kube-apiserver has. It does not evaluate them either
for requests that it passes on, and no object says so. So it is said here: to the administrator once in
the log, and to everybody who writes something that a policy with a binding would have judged.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from apiserver.cluster.admission.matching import EVERYTHING, Match, read_match
from apiserver.cluster.admission.observed import Observed, observed
from apiserver.cluster.admission.selection import NamespaceLabels, applies
from apiserver.jsontypes import JsonObject, object_at, text_at
from apiserver.upstream.client import Client
from apiserver.wire.admissionreview import Admitted, Attributes
from apiserver.wire.resources import Resource

log = logging.getLogger(__name__)

_GROUP_PATH: Final = "/apis/admissionregistration.k8s.io/v1"
POLICIES_PATH: Final = f"{_GROUP_PATH}/validatingadmissionpolicies"
BINDINGS_PATH: Final = f"{_GROUP_PATH}/validatingadmissionpolicybindings"


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy, as far as it says what it is about."""

    name: str
    match: Match


@dataclass(frozen=True, slots=True)
class Binding:
    """What puts a policy into force; its own match narrows that of the policy, if there is one."""

    policy: str
    match: Match | None


class Policies:
    """The policies of a cluster, as last seen. See `following_policies`."""

    def __init__(
        self,
        policies: Observed[Policy],
        bindings: Observed[Binding],
        namespaces: NamespaceLabels,
    ) -> None:
        self._policies = policies
        self._bindings = bindings
        self._namespaces = namespaces

    @property
    def problem(self) -> str:
        """Nothing: that policies are not seen keeps nobody from writing."""
        return ""

    @property
    def warning(self) -> str:
        """Why policies are not seen: the cluster may be older than they are."""
        return self._policies.problem or self._bindings.problem

    async def mutate(self, attributes: Attributes) -> Admitted:
        """Return the object as it is."""
        return Admitted(attributes.document)

    async def validate(self, attributes: Attributes) -> tuple[str, ...]:
        """Return which policies in force are not evaluated for this write. Raises ApiError."""
        resource = attributes.resource.group_resource
        in_force = [
            each.name
            for each in self._policies.in_order
            if await applies(each.match, attributes, self._namespaces)
            and await self._is_bound(each, attributes)
        ]
        return tuple(
            f"ValidatingAdmissionPolicy '{each}' is not evaluated: the server of {resource} has no CEL"
            for each in in_force
        )

    async def _is_bound(self, policy: Policy, attributes: Attributes) -> bool:
        for each in self._bindings.in_order:
            if each.policy == policy.name and (
                each.match is None or await applies(each.match, attributes, self._namespaces)
            ):
                return True
        return False


def _read_binding(document: JsonObject) -> Binding:
    spec = object_at(document, "spec")
    match = object_at(spec, "matchResources")
    return Binding(text_at(spec, "policyName"), _match(match) if match else None)


def _match(document: JsonObject) -> Match:
    """No rules at all, which only a binding can have, are all rules."""
    match = read_match(document, rules="resourceRules", excluded="excludeResourceRules")
    return match if match.rules else replace(match, rules=(EVERYTHING,))


class _Reader:
    """Reads policies and tells once of each that is about our resource."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._told: set[str] = set()

    def read(self, document: JsonObject) -> Policy:
        name = text_at(object_at(document, "metadata"), "name")
        spec = object_at(document, "spec")
        policy = Policy(name, _match(object_at(spec, "matchConstraints")))
        if policy.match.is_about(self._resource) and name not in self._told:
            self._told.add(name)
            log.warning(
                "a ValidatingAdmissionPolicy names our resource and is not evaluated",
                extra={"policy": name},
            )
        return policy


@asynccontextmanager
async def following_policies(
    client: Client, resource: Resource, namespaces: NamespaceLabels
) -> AsyncGenerator[Policies]:
    """Keep the policies known for as long as the block lasts."""
    read = _Reader(resource).read
    async with (
        observed(client, POLICIES_PATH, "ValidatingAdmissionPolicies", read) as policies,
        observed(
            client, BINDINGS_PATH, "ValidatingAdmissionPolicyBindings", _read_binding
        ) as bindings,
    ):
        yield Policies(policies, bindings, namespaces)
