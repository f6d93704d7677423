"""How many captures may run at once, and how many pods one of them may be about.

Counted are captures that are not over (`tally.end_of`). What makes one more of them needs room: a
new one, or an update that makes one that is over run again; an edit of one that runs never does,
even where there are too many by now. What the server itself writes is not asked about.

Admission asks early, so that nothing is done for what is refused anyway, and for dry runs; a claim
around the write itself makes it exact.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, final

from apiserver.fields import quoted
from apiserver.jsontypes import JsonObject, object_at, text_at
from apiserver.registry.capping.running import Running, counting_running
from apiserver.registry.capping.tally import end_of
from apiserver.registry.storeerrors import store_errors
from apiserver.registry.strategy import Strategy
from apiserver.resource.selector.parser import parse as parse_selector
from apiserver.resource.surroundings import Surroundings
from apiserver.serving.clock import Clock
from apiserver.storage.interface import Revision, Store
from apiserver.storage.keys import KeySpace
from apiserver.wire import status
from apiserver.wire.admissionreview import Admitted, Attributes

_EVERYONE: Final = parse_selector("all()")


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much there may be at once; 0: any number."""

    captures: int = 500
    captures_per_namespace: int = 100
    endpoints_per_capture: int = 1000


@final
class Caps:
    """The caps of one resource; see `capping`. An `AdmissionControl`, and `Claims`."""

    def __init__(
        self,
        strategy: Strategy,
        allowance: Allowance,
        running: Running,
        *,
        surroundings: Surroundings,
        clock: Clock,
    ) -> None:
        self._resource = strategy.resource
        self._large = strategy.large
        self._allowance = allowance
        self._running = running
        self._surroundings = surroundings
        self._clock = clock
        self._keys = KeySpace(self._resource.group, self._resource.plural)

    async def mutate(self, attributes: Attributes) -> Admitted:
        """Return the object as it is."""
        return Admitted(attributes.document)

    async def validate(self, attributes: Attributes) -> tuple[str, ...]:
        """Look whether there is room. Raises ApiError 403."""
        document = attributes.document
        if document is not None:
            await self._require_few_endpoints(attributes, document)
            if self._begins(document, attributes.old):
                await self._require_room(object_at(document, "metadata"))
        return ()

    @asynccontextmanager
    async def claimed(
        self, document: JsonObject, old: JsonObject | None = None
    ) -> AsyncGenerator[None]:
        """Hold the place of what the block writes. Entering raises ApiError 403."""
        if not self._begins(document, old):
            yield
            return
        metadata = object_at(document, "metadata")
        # From the look that finds room to the claim nothing else runs.
        await self._require_room(metadata)
        version = text_at(object_at(old or {}, "metadata"), "resourceVersion")
        after = Revision(int(version or "0"))
        with self._running.claim(self._key(metadata), text_at(metadata, "uid"), after=after):
            yield

    def _begins(self, document: JsonObject, old: JsonObject | None) -> bool:
        """Tell whether a write makes one more that runs."""
        now = self._clock()
        return end_of(document) > now and (old is None or end_of(old) <= now)

    async def _require_room(self, metadata: JsonObject) -> None:
        if not self._why_not(metadata):
            return
        # What has ended or was deleted just now is seen soon, and who did that may know it already.
        with store_errors(self._resource, "create"):
            await self._running.catch_up()
        if why := self._why_not(metadata):
            raise status.forbidden(self._resource, text_at(metadata, "name"), why)

    def _why_not(self, metadata: JsonObject) -> str:
        """Return why there is no room for one more; empty where there is, or it has its place."""
        namespace, allowance = text_at(metadata, "namespace"), self._allowance
        within = f"in namespace {quoted(namespace)}"
        why = self._too_many(
            namespace, within, allowance.captures_per_namespace, "--max-captures-per-namespace"
        ) or self._too_many("", "in the cluster", allowance.captures, "--max-captures")
        return "" if why and self._running.counts(self._key(metadata)) else why

    def _too_many(self, namespace: str, within: str, most: int, flag: str) -> str:
        if not most or self._running.has_room(namespace, most):
            return ""
        return (
            f"exceeded the limit of captures that are not over {within}: "
            f"{self._running.count(namespace)} of {most} ({flag}); end or delete some"
        )

    async def _require_few_endpoints(self, attributes: Attributes, document: JsonObject) -> None:
        """Refuse a new selector that selects too many pods, as far as pods are known."""
        most, spec = self._allowance.endpoints_per_capture, object_at(document, "spec")
        text = text_at(spec, "selector")
        if not most or text == text_at(object_at(attributes.old or {}, "spec"), "selector"):
            return
        namespace = attributes.namespace
        # Few namespaces have so many pods at all, and few need their selectors read here.
        everyone = await self._surroundings.pods_selected(namespace, _EVERYONE)
        if everyone is None or len(everyone) <= most:
            return
        selector = await self._large.run(len(text), lambda: parse_selector(text))
        pods = await self._surroundings.pods_selected(namespace, selector)
        if pods is not None and len(pods) > most:
            why = (
                f"exceeded the limit of pods of one capture: its selector matches {len(pods)} of "
                f"at most {most} (--max-endpoints-per-capture); select fewer"
            )
            raise status.forbidden(self._resource, attributes.shown_name, why)

    def _key(self, metadata: JsonObject) -> str:
        return self._keys.key(text_at(metadata, "namespace"), text_at(metadata, "name"))


@asynccontextmanager
async def capping(
    store: Store,
    strategy: Strategy,
    allowance: Allowance,
    *,
    surroundings: Surroundings,
    clock: Clock,
) -> AsyncGenerator[Caps]:
    """Keep count for as long as the block lasts. Entering raises StoreError."""
    resource = strategy.resource
    keys = KeySpace(resource.group, resource.plural)
    async with counting_running(store, keys, clock=clock) as running:
        yield Caps(strategy, allowance, running, surroundings=surroundings, clock=clock)
