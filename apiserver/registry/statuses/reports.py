"""Reports of node agents, joined into one status write per capture (DESIGN 4, 9.1).

A report only marks captures as changed and is answered at once; one task writes. What is not yet
written is lost with the process, and comes again: an agent that has lost the server sends all that
it knows when it is back. What else may change a status (time, pods, nodes) marks captures as well.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

import orjson

from apiserver.agentapi import CaptureReport, NodeReport, Rejected, ReportAnswer
from apiserver.jsontypes import JsonObject, object_at, text_at
from apiserver.registry.statuses.heartbeats import Heartbeats
from apiserver.registry.statuses.statuswriting import CaptureIdentity, StatusWriter
from apiserver.resource.status.bounds import sound_endpoints
from apiserver.resource.status.merging import NodeStatus, is_older, is_state_change, merge_node
from apiserver.wire.status import ApiError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """When statuses are written, in seconds.

    Reports that arrive within `coalescing` become one write; counters alone are written at most
    once in `counters` per capture, so that watchers are not flooded; a write that failed (the store
    is away) is tried again after `retry`. What follows from a new spec, or from pods that come and go, is
    left to settle for `surroundings`: agents mostly have their say within that, and whoever has just written an
    object may write it again without meeting our write in between.
    """

    coalescing: float = 0.1
    surroundings: float = 3.0
    counters: float = 5.0
    retry: float = 1.0


_BOOT_ID_LENGTH = 64

# For a merge that is only looked at.
_ANY_TIME = ""


@dataclass(slots=True)
class _Pending:
    """What the nodes said of one capture since its last write."""

    subject: CaptureIdentity
    nodes: dict[str, NodeStatus] = field(default_factory=dict)
    due: float = 0.0


class ReportMerger:
    """Takes reports and writes statuses; `run` is its task."""

    def __init__(
        self,
        writer: StatusWriter,
        heartbeats: Heartbeats,
        *,
        monotonic: Callable[[], float],
        pace: Pace | None = None,
    ) -> None:
        self._pace = pace or Pace()
        self._writer = writer
        self._registry = writer.registry
        self._heartbeats = heartbeats
        self._monotonic = monotonic
        # Bounded by the number of captures that exist: each is checked before it is taken.
        self._pending: dict[str, _Pending] = {}
        self._writing: str | None = None
        self._last_write: dict[str, float] = {}
        self._changed = asyncio.Event()

    async def take(self, report: NodeReport) -> ReportAnswer:
        """Note what a node says; captures that are unknown, or another object by now, are refused."""
        self._heartbeats.heard(report.node)
        accepted: list[str] = []
        rejected: list[Rejected] = []
        for capture in report.captures:
            problem = await self._take_one(report, capture)
            if problem:
                rejected.append(Rejected(capture.uid, problem))
            else:
                accepted.append(capture.uid)
        return ReportAnswer(tuple(accepted), tuple(rejected))

    def touch(self, subject: CaptureIdentity, *, urgent: bool = True) -> None:
        """Have a capture's status computed anew: at once, or some time soon if it is not `urgent`."""
        if urgent:
            self._pend(subject, self._monotonic() + self._pace.coalescing)
        elif subject.uid not in self._pending:
            self._pend(subject, self._monotonic() + self._pace.surroundings)

    async def _take_one(self, report: NodeReport, capture: CaptureReport) -> str:
        # Asked before the store is read: what is written meanwhile would be in neither.
        was_on_its_way = self._is_on_its_way(capture.uid)
        try:
            stored = await self._registry.get(capture.namespace, capture.name)
        except ApiError as error:
            return error.message
        except ValueError:
            return "no such capture"
        document = self._registry.documents.decode(stored)
        if text_at(object_at(document, "metadata"), "uid") != capture.uid:
            return "the capture was deleted and another has its name"
        node = _node_status(report, capture)
        status = object_at(document, "status")
        merged = merge_node(status, node, observed_time=_ANY_TIME)
        # What the store has says nothing of what is about to be written over it.
        is_uncertain = was_on_its_way or self._is_on_its_way(capture.uid)
        if merged is status and not is_uncertain:
            return ""
        is_overtaken = is_uncertain and capture.uid not in self._pending
        self._note(capture, node, urgent=is_overtaken or is_state_change(status, merged))
        return ""

    def _is_on_its_way(self, uid: str) -> bool:
        return uid in self._pending or uid == self._writing

    def _note(self, capture: CaptureReport, node: NodeStatus, *, urgent: bool) -> None:
        now = self._monotonic()
        due = now + self._pace.coalescing
        if not urgent:
            due = max(due, self._last_write.get(capture.uid, 0.0) + self._pace.counters)
        pending = self._pend(CaptureIdentity(capture.namespace, capture.name, capture.uid), due)
        noted = pending.nodes.get(node.node)
        if noted is None or not is_older(node, noted.boot_id, noted.sequence):
            pending.nodes[node.node] = node

    def _pend(self, subject: CaptureIdentity, due: float) -> _Pending:
        pending = self._pending.setdefault(subject.uid, _Pending(subject, due=due))
        pending.due = min(pending.due, due)
        self._changed.set()
        return pending

    async def run(self) -> None:
        """Write what is due, for ever."""
        while True:
            await self._wait_until_due()
            now = self._monotonic()
            due = [uid for uid, pending in self._pending.items() if pending.due <= now]
            for uid in due:
                self._writing = uid
                await self._write(uid, self._pending.pop(uid))
                self._writing = None

    async def _wait_until_due(self) -> None:
        while True:
            self._changed.clear()
            delay = None
            if self._pending:
                delay = min(each.due for each in self._pending.values()) - self._monotonic()
                if delay <= 0:
                    return
            try:
                async with asyncio.timeout(delay):
                    await self._changed.wait()
            except TimeoutError:
                return

    async def _write(self, uid: str, pending: _Pending) -> None:
        try:
            is_written = await self._writer.write(pending.subject, pending.nodes.values())
        except ApiError as error:
            self._failed(uid, pending, error)
        except Exception:
            # A report that this server cannot handle must not end the server for all others.
            log.exception("status cannot be written", extra={"capture": pending.subject.name})
        else:
            if is_written:
                self._remember_write(uid)

    def _failed(self, uid: str, pending: _Pending, error: ApiError) -> None:
        """Try again what time may mend; of a capture that is gone there is nothing left to tell."""
        if error.code == HTTPStatus.CONFLICT or error.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.warning("status is not written, trying again", extra={"error": error.message})
            self._keep(uid, pending)
        elif error.code != HTTPStatus.NOT_FOUND:
            log.error("status cannot be written", extra={"error": error.message})

    def _remember_write(self, uid: str) -> None:
        now = self._monotonic()
        recent = {k: t for k, t in self._last_write.items() if now - t < self._pace.counters}
        self._last_write = {**recent, uid: now}

    def _keep(self, uid: str, pending: _Pending) -> None:
        """Put back what could not be written, under whatever was reported since."""
        newer = self._pending.setdefault(uid, pending)
        newer.nodes = pending.nodes | newer.nodes
        newer.due = self._monotonic() + self._pace.retry


def _node_status(report: NodeReport, capture: CaptureReport) -> NodeStatus:
    return NodeStatus(
        node=report.node,
        boot_id=report.boot_id[:_BOOT_ID_LENGTH],
        sequence=report.sequence,
        observed_generation=capture.observed_generation,
        directory=capture.directory,
        endpoints=sound_endpoints(each.to_json() for each in capture.endpoints),
        file_names=capture.file_names,
        file_names_omitted=capture.file_names_omitted,
    )


def report_answer(document: JsonObject, answer: ReportAnswer) -> bytes:
    """Return the created PacketCaptureReport as it is answered: never stored, its status filled."""
    return orjson.dumps({**document, "metadata": {}, "status": answer.to_json()})
