"""One write of one capture's status: what nodes reported, what follows from it, what to tell of it."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import final

from apiserver.jsontypes import JsonObject, integer_at, object_at, text_at
from apiserver.registry.recent import Recent
from apiserver.registry.requests import Origin, Request
from apiserver.registry.verbs import Registry
from apiserver.resource.selector.nodes import Selector, SelectorError
from apiserver.resource.selector.parser import parse
from apiserver.resource.status.conditions import completed
from apiserver.resource.status.happenings import Recorder, happenings
from apiserver.resource.status.merging import NodeStatus, merge_node
from apiserver.resource.status.schedule import schedule_of
from apiserver.resource.status.unreported import Circumstances
from apiserver.resource.surroundings import SelectedPod, Surroundings
from apiserver.resource.times import render_time
from apiserver.serving.clock import Clock
from apiserver.wire.body import Decoded
from apiserver.wire.writeoptions import FieldValidation, WriteOptions

_OPTIONS = WriteOptions(
    dry_run=False, field_manager="packetcapture-apiserver", field_validation=FieldValidation.IGNORE
)

# Bytes of selectors that are kept parsed; some ten times as much memory.
_REMEMBERED_BYTES = 1 << 20


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
        self.registry = registry
        self._surroundings = surroundings
        self._recorder = recorder
        self._clock = clock
        self._selectors: Recent[str, Selector] = Recent(max_weight=_REMEMBERED_BYTES)

    async def write(self, subject: CaptureIdentity, reports: Collection[NodeStatus]) -> bool:
        """Merge reports into the status and compute what follows; answer whether that was written.

        What changes nothing is not written. Raises ApiError.
        """
        if not reports and not await self._has_news(subject):
            return False
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

        written = await self.registry.patch(subject.namespace, subject.name, merged)
        for happening in happenings(before, after):
            self._recorder.record(written.document, happening)
        return after is not before

    async def _has_news(self, subject: CaptureIdentity) -> bool:
        """Tell whether anything follows that is not written yet."""
        stored = await self.registry.get(subject.namespace, subject.name)
        document = self.registry.documents.decode(stored)
        if text_at(object_at(document, "metadata"), "uid") != subject.uid:
            return False
        return await self._brought_up_to_date(document, ()) is not object_at(document, "status")

    async def _brought_up_to_date(
        self, document: JsonObject, reports: Collection[NodeStatus]
    ) -> JsonObject:
        status, now = object_at(document, "status"), self._clock()
        for report in reports:
            status = merge_node(status, report, observed_time=render_time(now))
        spec, metadata = object_at(document, "spec"), object_at(document, "metadata")
        known = Circumstances(
            generation=integer_at(metadata, "generation"),
            schedule=schedule_of(spec),
            pods=await self._pods(text_at(metadata, "namespace"), text_at(spec, "selector")),
            node=self._surroundings.node,
            now=now,
        )
        return completed(status, known)

    async def _pods(self, namespace: str, text: str) -> tuple[SelectedPod, ...] | None:
        selector = self._selectors.get(text)
        if selector is None:
            try:
                selector = await self.registry.large.run(len(text), lambda: parse(text))
            except SelectorError:
                # Stored before a rule that it breaks: what agents make of it is theirs to say.
                return None
            self._selectors.put(text, selector, weight=len(text))
        return self._surroundings.pods_selected(namespace, selector)
