"""Reports of node agents, joined into one status write per capture (DESIGN 4, 9.1).

A report only marks captures as changed and is answered at once; others write. What is not yet
written is lost with the process, and comes again: an agent that has lost the server sends all that
it knows when it is back. What else may change a status (time, pods, nodes) marks captures as well.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import orjson

from apiserver.agentapi.reports import CaptureReport, NodeReport, Rejected, ReportAnswer
from apiserver.jsontypes import JsonObject, array_at, object_at, text_at
from apiserver.registry.statuses.backlog import Backlog, Queue, Work
from apiserver.registry.statuses.heartbeats import Heartbeats
from apiserver.registry.statuses.statuswriting import CaptureIdentity, StatusWriter, TakesLongError
from apiserver.resource.status.bounds import sound_endpoints
from apiserver.resource.status.merging import News, NodeStatus, news_in
from apiserver.wire.status import ApiError, MissingError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """When statuses are written, in seconds.

    Reports that arrive within `coalescing` become one write, and of a status of many nodes, which is
    large, all within `each_node` for each of them, up to `longest`; counters alone are written at most
    once in `counters` per capture, so that watchers are not flooded; a write that failed (the store
    is away) is tried again after `retry`. What follows from a new spec, or from pods that come and go, is
    left to settle for `surroundings`: agents mostly have their say within that, and whoever has just written an
    object may write it again without meeting our write in between.
    """

    coalescing: float = 0.1
    surroundings: float = 3.0
    counters: float = 5.0
    retry: float = 1.0
    each_node: float = 0.005
    longest: float = 1.0


_BOOT_ID_LENGTH = 64

# Who writes at the same time: of what nodes reported two, so that the store has something to do while
# the next write is made ready.
_WRITERS: Final = (Queue.REPORTED, Queue.REPORTED, Queue.LOOKED_AT, Queue.LONG)


@dataclass(frozen=True, slots=True)
class _LastWrite:
    """When a status was written, in monotonic seconds, and the entries of how many nodes."""

    at: float
    nodes: int


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
        self._heartbeats = heartbeats
        self._monotonic = monotonic
        self._backlog = Backlog(monotonic)
        # The latest last; those that make nobody wait any more are forgotten.
        self._last_write: dict[str, _LastWrite] = {}

    async def take(self, report: NodeReport) -> ReportAnswer:
        """Note what a node says; captures that are unknown, or another object by now, are refused.

        Raises ApiError where nobody knows: the node will say it again.
        """
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
        now = self._monotonic()
        if urgent:
            self._backlog.add(subject, self._soon(subject.uid, now))
        elif not self._backlog.waits(subject.uid):
            self._backlog.add(subject, now + self._pace.surroundings)

    async def _take_one(self, report: NodeReport, capture: CaptureReport) -> str:
        # Asked before the store is read: what is written meanwhile would be in neither.
        was_on_its_way = self._backlog.holds(capture.uid)
        try:
            document = await self._writer.read(capture.namespace, capture.name)
        except MissingError as error:
            return error.message
        except ValueError:
            return "no such capture"
        if text_at(object_at(document, "metadata"), "uid") != capture.uid:
            return "the capture was deleted and another has its name"
        node = _node_status(report, capture)
        news = news_in(object_at(document, "status"), node)
        # What the store has says nothing of what is about to be written over it.
        is_uncertain = was_on_its_way or self._backlog.holds(capture.uid)
        if news is News.NONE and not is_uncertain:
            return ""
        is_overtaken = is_uncertain and not self._backlog.waits(capture.uid)
        self._note(capture, node, urgent=is_overtaken or news is News.STATE)
        return ""

    def _note(self, capture: CaptureReport, node: NodeStatus, *, urgent: bool) -> None:
        now = self._monotonic()
        due = self._soon(capture.uid, now)
        last = self._last_write.get(capture.uid)
        if last is not None and not urgent:
            due = max(due, last.at + self._pace.counters)
        subject = CaptureIdentity(capture.namespace, capture.name, capture.uid)
        self._backlog.add(subject, due, node)

    def _soon(self, uid: str, now: float) -> float:
        """Return when a status is written that should be written at once."""
        due, last = now + self._pace.coalescing, self._last_write.get(uid)
        if last is None:
            return due
        return max(due, last.at + min(last.nodes * self._pace.each_node, self._pace.longest))

    async def run(self) -> None:
        """Write what is due, for ever."""
        async with asyncio.TaskGroup() as tasks:
            for queue in _WRITERS:
                tasks.create_task(self._write_due(queue))

    async def _write_due(self, queue: Queue) -> None:
        while True:
            work = await self._backlog.next_due(queue)
            with self._backlog.doing(work):
                await self._write(work)

    async def _write(self, work: Work) -> None:
        try:
            written = await self._writer.write(
                work.subject, work.nodes.values(), may_take_long=work.takes_long
            )
        except TakesLongError:
            work.takes_long = True
            self._backlog.put_back(work, work.due)
        except ApiError as error:
            self._failed(work, error)
        except Exception:
            # A report that this server cannot handle must not end the server for all others.
            log.exception("status cannot be written", extra={"capture": work.subject.name})
        else:
            if written is not None:
                self._remember_write(work.subject.uid, written)

    def _failed(self, work: Work, error: ApiError) -> None:
        """Try again what time may mend; of a capture that is gone there is nothing left to tell."""
        if error.code == HTTPStatus.CONFLICT or error.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.warning("status is not written, trying again", extra={"error": error.message})
            self._backlog.put_back(work, self._monotonic() + self._pace.retry)
        elif error.code != HTTPStatus.NOT_FOUND:
            log.error("status cannot be written", extra={"error": error.message})

    def _remember_write(self, uid: str, status: JsonObject) -> None:
        now = self._monotonic()
        self._last_write.pop(uid, None)
        self._last_write[uid] = _LastWrite(now, len(array_at(status, "files")))
        for oldest in tuple(self._last_write):
            if now - self._last_write[oldest].at < max(self._pace.counters, self._pace.longest):
                break
            del self._last_write[oldest]


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
