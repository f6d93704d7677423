"""What is known of a capture on this node, bounded however many pods come and go. Pure."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from apiserver.agentapi.reports import CaptureReport
from apiserver.resource.types import PacketCapture
from nodeagent.capture.folded import NONE_FOLDED, Folded, fold
from nodeagent.capture.plan import RingKey
from nodeagent.capture.records import EndpointRecord, recall
from nodeagent.files.memory import EndpointMemory, FileMemory, active_name

# Endpoints that are over and selected no longer, of one capture (DESIGN 9.2).
MAX_ENDED: Final = 200


@dataclass(slots=True)
class CaptureRecord:
    """One capture on this node. `directory` is empty until something was written.

    `store_identity` is that of the store that holds it: only its word will remove the files.
    `endpoints` are in the order in which they came, those that lost their pod behind the others.
    If it `has_new_files`, `file_names` are from before. `unsaved` is why this is not remembered, empty
    where it is.
    """

    capture: PacketCapture
    store_identity: str = ""
    directory: str = ""
    endpoints: dict[RingKey, EndpointRecord] = field(default_factory=dict)
    folded: Folded = NONE_FOLDED
    file_names: tuple[str, ...] = ()
    file_names_omitted: int = 0
    has_new_files: bool = False
    unsaved: str = ""

    def note_unsaved(self, reason: str) -> None:
        """Take that what is known cannot be remembered: rings that run say why."""
        self.unsaved = reason
        for each in self.endpoints.values():
            if each.running:
                each.message = each.message or reason

    def note_saved(self) -> None:
        """Take that what is known is remembered."""
        if self.unsaved:
            for each in self.endpoints.values():
                each.message = "" if each.message == self.unsaved else each.message
            self.unsaved = ""

    def endpoint(self, key: RingKey, pod: str) -> EndpointRecord:
        """Return the record of an endpoint, a new one if it was never selected before."""
        return self.endpoints.setdefault(key, EndpointRecord(key, pod))

    def unwanted(self, wanted: Collection[RingKey]) -> tuple[EndpointRecord, ...]:
        """Return the endpoints that are not among `wanted`."""
        return tuple(each for key, each in self.endpoints.items() if key not in wanted)

    def forget_unknown(self, wanted: Collection[RingKey]) -> None:
        """Leave out pods of which no interface was known, but for `wanted`.

        Nothing was captured of them, and what was wrong is so no more: the pod has an entry for each
        of its interfaces by now, or is gone.
        """
        for key in [key for key in self.endpoints if not key.interface and key not in wanted]:
            del self.endpoints[key]

    def move_last(self, endpoint: EndpointRecord) -> None:
        """Let an endpoint be the one that ended last."""
        self.endpoints[endpoint.key] = self.endpoints.pop(endpoint.key)

    def fold(self, wanted: Collection[RingKey]) -> None:
        """Keep the last MAX_ENDED of the endpoints that are not `wanted`, of the others the sums.

        One that is selected again afterwards begins anew, with counters and limits of its own.
        """
        ended = self.unwanted(wanted)
        for each in ended[: max(0, len(ended) - MAX_ENDED)]:
            del self.endpoints[each.key]
            files = tuple(each.history.files.values())
            self.folded += fold(EndpointMemory(each.report(), files=files))

    def note_renamed(self, files: Collection[FileMemory], *, active: str) -> None:
        """Take that files got their rotated names, so that a new one can have the name `active`.

        What had that name and is none of them is there no more.
        """
        for file in files:
            if not any(each.history.rename(file) for each in self.endpoints.values()):
                self.folded = self.folded.rename(file)
        for each in self.endpoints.values():
            if gone := each.history.files.get(active):
                each.history.expire(gone)

    def note_expired(self, files: Collection[FileMemory]) -> None:
        """Take that files are there no more.

        They may be those of an earlier pod of that name. What no endpoint has was finished this moment,
        or is in the sums.
        """
        for file in files:
            if owner := self._owner(file.name):
                owner.history.expire(file)
            elif any(each.name == file.name for each in self.folded.files):
                self.folded = self.folded.expire(file)
            elif writer := self._writer(active_name(file.name)):
                writer.history.expire_early(file)
            elif self.folded.count:
                self.folded = self.folded.expire(file)

    def known_files(self, like: EndpointRecord | None = None) -> dict[str, FileMemory]:
        """Return what is in files that nobody writes any more, by their names.

        Of all, or of those whose files are named `like` an endpoint's.
        """
        found = {each.name: each for each in self.folded.files}
        for each in self.endpoints.values():
            if like is None or each.has_names_of(like):
                found |= each.history.files
        return found

    def _owner(self, name: str) -> EndpointRecord | None:
        found = (each for each in self.endpoints.values() if name in each.history.files)
        return next(found, None)

    def _writer(self, active: str) -> EndpointRecord | None:
        running = (each for each in self.endpoints.values() if each.running)
        return next((each for each in running if each.active_name == active), None)

    def remember(
        self, memories: Collection[EndpointMemory], *, saved: datetime, now: datetime
    ) -> None:
        """Take over what a previous run of the agent knew, which it `saved` then."""
        for memory in memories:
            entry = memory.report
            if entry.folded:
                self.folded += fold(memory)
            else:
                key = RingKey(self.capture.uid, entry.pod_uid, entry.interface)
                self.endpoints[key] = recall(key, memory, saved=saved, now=now)

    def memories(self, now: float) -> tuple[EndpointMemory, ...]:
        """Return what a later run of the agent has to know; `now` in monotonic seconds."""
        entries = [each.memory(now) for each in self.endpoints.values()]
        return (*entries, self.folded.memory()) if self.folded.count else tuple(entries)

    def report(self) -> CaptureReport:
        """Return what the server is told of this capture."""
        entries = [each.report() for _, each in sorted(self.endpoints.items())]
        return CaptureReport(
            namespace=self.capture.namespace,
            name=self.capture.name,
            uid=self.capture.uid,
            observed_generation=self.capture.generation,
            directory=self.directory,
            endpoints=(*entries, self.folded.report()) if self.folded.count else tuple(entries),
            file_names=self.file_names,
            file_names_omitted=self.file_names_omitted,
        )
