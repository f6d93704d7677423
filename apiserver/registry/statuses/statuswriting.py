"""One write of one capture's status: what nodes reported, what follows from it, what to tell of it."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, final

from apiserver.jsontypes import JsonObject, integer_at, object_at, text_at
from apiserver.registry.large import LARGE_BYTES
from apiserver.registry.recent import Recent
from apiserver.registry.requests import Origin, Request
from apiserver.registry.verbs import Registry
from apiserver.resource.schedule import schedule_of
from apiserver.resource.selector.nodes import Selector, SelectorError
from apiserver.resource.selector.parser import parse
from apiserver.resource.status.conditions import completed
from apiserver.resource.status.happenings import Recorder, happenings
from apiserver.resource.status.merging import NodeStatus, merge_nodes
from apiserver.resource.status.unreported import Circumstances
from apiserver.resource.surroundings import SelectedPod, Surroundings
from apiserver.resource.times import render_time
from apiserver.serving.clock import Clock
from apiserver.storage.interface import Revision
from apiserver.wire.body import Decoded
from apiserver.wire.writeoptions import FieldValidation, WriteOptions

_OPTIONS = WriteOptions(
    dry_run=False, field_manager="packetcapture-apiserver", field_validation=FieldValidation.IGNORE
)

# Bytes of selectors that are kept parsed; twenty to forty times as much memory.
_SELECTOR_BYTES: Final = 4 << 20

# Bytes of objects that are kept decoded, some five times as much memory: every node of a capture asks
# for the same one when it reports.
_OBJECT_BYTES: Final = 8 << 20


class TakesLongError(Exception):
    """A status follows from a selector so large that to find its pods may take seconds."""


@dataclass(frozen=True, slots=True)
class CaptureIdentity:
    """The capture that is meant: not another one that has its name since."""

    namespace: str
    name: str
    uid: str


@final
class StatusWriter:
    """Brings statuses up to date; who calls it decides when."""

    def __init__(
        self, registry: Registry, surroundings: Surroundings, recorder: Recorder, *, clock: Clock
    ) -> None:
        self._registry = registry
        self._surroundings = surroundings
        self._recorder = recorder
        self._clock = clock
        self._selectors: Recent[str, Selector] = Recent(max_weight=_SELECTOR_BYTES)
        self._objects: Recent[tuple[str, Revision], JsonObject] = Recent(max_weight=_OBJECT_BYTES)

    async def read(self, namespace: str, name: str) -> JsonObject:
        """Return the capture as it is now. Raises ApiError, and ValueError for no name at all."""
        stored = await self._registry.get(namespace, name)
        version = (stored.key, stored.revision)
        document = self._objects.get(version)
        if document is None:
            document = self._registry.documents.decode(stored)
            self._objects.put(version, document, weight=len(stored.value))
        return document

    async def write(
        self,
        subject: CaptureIdentity,
        reports: Collection[NodeStatus],
        *,
        may_take_long: bool = True,
    ) -> JsonObject | None:
        """Merge reports into the status and compute what follows; return what was written.

        None where nothing changes: that is not written. Raises ApiError, and TakesLongError unless it
        may.
        """
        old = await self._find(subject)
        if old is None:
            return None
        if not may_take_long and self._takes_long(old):
            raise TakesLongError
        if not reports and await self._brought_up_to_date(old, ()) is object_at(old, "status"):
            return None
        before: JsonObject = {}
        after: JsonObject = {}

        async def merged(old: JsonObject) -> Request:
            nonlocal before, after
            before = after = object_at(old, "status")
            if text_at(object_at(old, "metadata"), "uid") == subject.uid:
                after = await self._brought_up_to_date(old, reports)
            return Request(
                Decoded({**old, "status": after}),
                _OPTIONS,
                subresource="status",
                origin=Origin.PATCH,
            )

        written = await self._registry.patch(subject.namespace, subject.name, merged)
        for happening in happenings(before, after):
            self._recorder.record(written.document, happening)
        return None if after is before else after

    async def _find(self, subject: CaptureIdentity) -> JsonObject | None:
        """Return the capture as it is now, None where another one has its name."""
        document = await self.read(subject.namespace, subject.name)
        is_another = text_at(object_at(document, "metadata"), "uid") != subject.uid
        return None if is_another else document

    def _takes_long(self, document: JsonObject) -> bool:
        length = len(text_at(object_at(document, "spec"), "selector"))
        return length > LARGE_BYTES and self._surroundings.knows_pods

    async def _brought_up_to_date(
        self, document: JsonObject, reports: Collection[NodeStatus]
    ) -> JsonObject:
        status, now = object_at(document, "status"), self._clock()
        status = merge_nodes(status, reports, observed_time=render_time(now))
        spec, metadata = object_at(document, "spec"), object_at(document, "metadata")
        surroundings = self._surroundings
        known = Circumstances(
            generation=integer_at(metadata, "generation"),
            schedule=schedule_of(spec),
            pods=await self._pods(text_at(metadata, "namespace"), text_at(spec, "selector")),
            node=surroundings.node,
            now=now,
            awaits_pods=surroundings.knows_pods,
        )
        return completed(status, known)

    async def _pods(self, namespace: str, text: str) -> tuple[SelectedPod, ...] | None:
        if not self._surroundings.knows_pods:
            return None
        try:
            selector = await self._selector(text)
        except SelectorError:
            # Stored before a rule that it breaks: what agents make of it is theirs to say.
            return None
        return await self._surroundings.pods_selected(namespace, selector)

    async def _selector(self, text: str) -> Selector:
        selector = self._selectors.get(text)
        if selector is None:
            selector = await self._registry.large.run(len(text), lambda: parse(text))
            # Somebody else may have needed it meanwhile.
            if self._selectors.get(text) is None:
                self._selectors.put(text, selector, weight=len(text))
        return selector
