"""Explain before capture: a dry run answers what the real write would do, as warnings.

`kubectl create --dry-run=server`, and `kubectl diff` of a changed spec, say which pods are selected on
which nodes, which of them cannot be captured and why, and what the filter became. Names of pods are
for those who may list them; others get numbers.
"""

from contextlib import suppress
from typing import final

from apiserver.auth.access import Access, UndecidedError
from apiserver.auth.identity import User
from apiserver.jsontypes import JsonObject, array_at, object_at, text_at
from apiserver.pcap.child import CompilerError
from apiserver.pcap.compiler import CompilerBusyError, FilterCompiler
from apiserver.pcap.expressions import FilterError
from apiserver.registry.strategy import Strategy
from apiserver.resource.explaining import (
    UNKNOWN_PODS,
    filter_sentence,
    pods_by_name,
    pods_by_number,
)
from apiserver.resource.filters import CAPTURE_ALL, packet_filter, stand_ins
from apiserver.resource.spec.validation import validate_spec
from apiserver.resource.surroundings import Surroundings
from apiserver.resource.types import Spec
from apiserver.wire.admissionreview import Admitted, Attributes
from apiserver.wire.request import RequestInfo


@final
class Explanation:
    """An `AdmissionControl` that refuses nothing. It comes last: what is refused needs no words."""

    def __init__(
        self,
        strategy: Strategy,
        compiler: FilterCompiler,
        surroundings: Surroundings,
        access: Access,
    ) -> None:
        self._large = strategy.large
        self._compiler = compiler
        self._surroundings = surroundings
        self._access = access

    async def mutate(self, attributes: Attributes) -> Admitted:
        """Return the object as it is."""
        return Admitted(attributes.document)

    async def validate(self, attributes: Attributes) -> tuple[str, ...]:
        """Return what a new spec means, for who only tries it."""
        spec = object_at(attributes.document or {}, "spec")
        is_new = attributes.old is None or spec != object_at(attributes.old, "spec")
        if not (attributes.dry_run and attributes.document is not None and is_new):
            return ()
        # The second reading of this request: validation keeps none, and a dry run has time for it.
        size = len(text_at(spec, "selector"))
        meant, errors = await self._large.run(size, lambda: validate_spec(spec, None))
        if errors:
            # Something that has not changed, and was right once.
            return ()
        return (*await self._about_pods(attributes, meant), await self._about_filter(meant))

    async def _about_pods(self, attributes: Attributes, spec: Spec) -> tuple[str, ...]:
        namespace = attributes.namespace
        selected = await self._surroundings.pods_selected(namespace, spec.selector)
        if selected is None:
            return (UNKNOWN_PODS,)
        host_network = await self._surroundings.host_network_pods(namespace, spec.selector)
        if await self._may_list_pods(attributes):
            return tuple(pods_by_name(selected, host_network))
        return tuple(pods_by_number(selected, host_network))

    async def _may_list_pods(self, attributes: Attributes) -> bool:
        try:
            decision = await self._access.decide(
                _user(attributes.user), _list_pods(attributes.namespace)
            )
        except UndecidedError:
            return False
        return decision.allowed

    async def _about_filter(self, spec: Spec) -> str:
        named_ports = stand_ins(spec.filters)
        chosen = packet_filter(spec, named_ports)
        instructions = None
        if chosen != CAPTURE_ALL:
            # It was compiled for validation already: only its length may be missing.
            with suppress(FilterError, CompilerError, CompilerBusyError):
                instructions = await self._compiler.check(chosen)
        return filter_sentence(chosen, named_ports, instructions)


def _list_pods(namespace: str) -> RequestInfo:
    return RequestInfo(
        "GET",
        f"/api/v1/namespaces/{namespace}/pods",
        "list",
        is_resource=True,
        version="v1",
        namespace=namespace,
        resource="pods",
    )


def _user(info: JsonObject) -> User:
    """Return who a UserInfo (authentication/v1) is about."""
    extra = object_at(info, "extra")
    return User(
        text_at(info, "username"),
        _texts(info, "groups"),
        text_at(info, "uid"),
        {key: _texts(extra, key) for key in extra},
    )


def _texts(members: JsonObject, name: str) -> tuple[str, ...]:
    return tuple(each for each in array_at(members, name) if isinstance(each, str))
