"""Tells the server what runs on this node: newest wins, states at once, counters now and then.

1. Of each capture only the newest report is kept, so memory is bounded by the captures of the node
   and a server that was away hears how things are, not how they came to be.
2. A report counts as told when the server has answered it; until then it is sent again.
3. Time alone makes two things happen: the full report, which mends whatever the two sides hold
   differently (DESIGN 9.1), and an empty report where nothing else was sent for some time, by which
   the server knows that this node is there.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final, TypeAlias

import orjson

from apiserver.agentapi.reports import (
    REPORT_KIND,
    REPORT_PLURAL,
    CaptureReport,
    NodeReport,
    Rejected,
    ReportAnswer,
)
from apiserver.jsontypes import JsonObject, array_at, object_at, text_at
from apiserver.resource.types import GROUP_VERSION
from apiserver.upstream.backoff import Backoff, Jitter
from apiserver.upstream.client import ApiStatusError, Client, UpstreamError

log = logging.getLogger(__name__)

# Delivers one report, or raises `UpstreamError`.
Send: TypeAlias = Callable[[NodeReport], Awaitable[ReportAnswer]]

REPORTS_PATH: Final = f"/apis/{GROUP_VERSION}/{REPORT_PLURAL}"
MAX_PAGE_BYTES: Final = 2**20
# What stands around the captures of a page: kind, node, boot id. Names have at most 253 bytes.
_ENVELOPE_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often what is no change of state is told, in seconds, at most; and the randomness in it."""

    counters_seconds: float = 10.0
    heartbeat_seconds: float = 20.0
    full_seconds: float = 300.0
    jitter: Jitter = random.uniform

    def until_counters(self) -> float:
        """Return the wait between two reports of counters."""
        return self.jitter(self.counters_seconds * 0.8, self.counters_seconds)

    def until_heartbeat(self) -> float:
        """Return how long there may be silence."""
        return self.jitter(self.heartbeat_seconds * 0.8, self.heartbeat_seconds)

    def until_full(self) -> float:
        """Return the wait between two full reports."""
        return self.jitter(self.full_seconds * 0.8, self.full_seconds)


class ReportSender:
    """The newest report of each capture, and which of them the server has. See `sending_reports`."""

    def __init__(self, send: Send, *, node: str, boot_id: str, rhythm: Rhythm) -> None:
        self._send = send
        self._node = node
        self._boot_id = boot_id
        self._rhythm = rhythm
        self._backoff = Backoff(rhythm.jitter)
        self._loop = asyncio.get_running_loop()
        self._newest: dict[str, CaptureReport] = {}
        self._told: dict[str, CaptureReport] = {}
        self._sequence = 0
        self._is_failing = False
        # At start nothing is known yet: the first full report waits for the first capture.
        self._is_full_asked = False
        self._is_first = True
        self._retry_at = 0.0
        self._counters_at = 0.0
        self._full_at = self._loop.time() + rhythm.until_full()
        self._heartbeat_at = self._loop.time() + rhythm.until_heartbeat()
        self._changed = asyncio.Event()

    def put(self, report: CaptureReport) -> None:
        """Have a capture told, if that says anything new; an earlier report of it is dropped."""
        self._newest[report.uid] = report
        self._changed.set()

    def forget(self, uid: str) -> None:
        """Leave a capture out from now on: it is no longer of this node."""
        self._newest.pop(uid, None)
        self._told.pop(uid, None)

    def request_full(self) -> None:
        """Have everything told again, now: the server was away and may have lost it."""
        self._is_full_asked = True
        self._retry_at = 0.0
        self._backoff.reset()
        self._changed.set()

    async def run(self) -> None:
        """Send what is due, for ever."""
        while True:
            await self._until_due()
            try:
                await self._send_due()
            except UpstreamError as error:
                self._retry_at = self._loop.time() + self._backoff.next_delay()
                self._note_failure(error)
            else:
                self._backoff.reset()
                self._note_success()

    async def _until_due(self) -> None:
        while (due := self._due()) > self._loop.time():
            self._changed.clear()
            try:
                async with asyncio.timeout_at(due):
                    await self._changed.wait()
            except TimeoutError:
                return

    def _due(self) -> float:
        """Return when to send, in the loop's time."""
        if self._is_full_asked or (self._is_first and self._newest):
            return self._retry_at
        untold = self._untold()
        if any(_state(report) != _state(self._told.get(report.uid)) for report in untold):
            return self._retry_at
        due = min(self._full_at, self._heartbeat_at)
        return max(min(due, self._counters_at) if untold else due, self._retry_at)

    def _untold(self) -> list[CaptureReport]:
        return [each for each in self._newest.values() if self._told.get(each.uid) != each]

    async def _send_due(self) -> None:
        """Send pages until all that is known now is told; an empty one if there is nothing."""
        # Before the first capture it is not known that there are none: a heartbeat says nothing of them.
        is_first = self._is_first and bool(self._newest)
        is_full = self._is_full_asked or is_first or self._loop.time() >= self._full_at
        is_heartbeat = not is_full and not self._untold()
        # Asked for again while pages are on their way, it is a new wish.
        self._is_full_asked = False
        try:
            await self._send_pages(is_full=is_full)
        except BaseException:
            self._is_full_asked |= is_full
            raise
        now = self._loop.time()
        if not is_heartbeat:
            self._counters_at = now + self._rhythm.until_counters()
        if is_full:
            self._is_first = False
            self._full_at = now + self._rhythm.until_full()

    async def _send_pages(self, *, is_full: bool) -> None:
        reports = list(self._newest.values()) if is_full else self._untold()
        pages = list(paginate(reports, max_bytes=MAX_PAGE_BYTES - _ENVELOPE_BYTES))
        if not pages:
            pages = [()]
        for page in pages:
            self._sequence += 1
            # Only a page that holds everything may say so: what a full report lacks is not there.
            whole = is_full and len(pages) == 1
            await self._send_page(
                NodeReport(self._node, self._boot_id, self._sequence, whole, page)
            )
            self._told.update((each.uid, each) for each in page if each.uid in self._newest)

    async def _send_page(self, report: NodeReport) -> None:
        try:
            answer = await self._send(report)
            self._heartbeat_at = self._loop.time() + self._rhythm.until_heartbeat()
        except ApiStatusError as error:
            if error.code != HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                raise
            # It will be too large again; the other captures have to be told all the same.
            uids = [each.uid for each in report.captures]
            log.error("report is too large for the server", extra={"uids": uids})  # noqa: TRY400 - the uids are the whole story
            return
        for rejected in answer.rejected:
            log.info(
                "report of a capture was not taken",
                extra={"uid": rejected.uid, "reason": rejected.reason},
            )

    def _note_failure(self, error: UpstreamError) -> None:
        if not self._is_failing:
            self._is_failing = True
            log.warning("reports cannot be sent", extra={"error": str(error)})

    def _note_success(self) -> None:
        if self._is_failing:
            self._is_failing = False
            log.info("reports are sent again")


@asynccontextmanager
async def sending_reports(
    send: Send, *, node: str, boot_id: str, rhythm: Rhythm | None = None
) -> AsyncGenerator[ReportSender]:
    """Send reports for as long as the block lasts. `boot_id` names this run of the agent."""
    sender = ReportSender(send, node=node, boot_id=boot_id, rhythm=rhythm or Rhythm())
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(sender.run())
        yield sender
        running.cancel()


async def post_report(client: Client, report: NodeReport) -> ReportAnswer:
    """Create the report at the server and return its answer. Raises `UpstreamError`."""
    document: JsonObject = {
        "apiVersion": GROUP_VERSION,
        "kind": REPORT_KIND,
        "metadata": {},
        "spec": report.to_json(),
    }
    status = object_at(await client.create(REPORTS_PATH, document), "status")
    return ReportAnswer(
        accepted=tuple(each for each in array_at(status, "accepted") if isinstance(each, str)),
        rejected=tuple(
            Rejected(text_at(each, "uid"), text_at(each, "reason"))
            for each in array_at(status, "rejected")
            if isinstance(each, dict)
        ),
    )


def paginate(
    reports: Iterable[CaptureReport], *, max_bytes: int
) -> Iterator[tuple[CaptureReport, ...]]:
    """Yield the reports in groups of at most `max_bytes` of JSON; one that is larger goes alone."""
    page: list[CaptureReport] = []
    size = 0
    for report in reports:
        length = len(orjson.dumps(report.to_json())) + 1
        if page and size + length > max_bytes:
            yield tuple(page)
            page, size = [], 0
        page.append(report)
        size += length
    if page:
        yield tuple(page)


def _state(report: CaptureReport | None) -> CaptureReport | None:
    """Return a report without what merely counts."""
    if report is None:
        return None
    endpoints = tuple(
        replace(
            each,
            packets=0,
            bytes=0,
            dropped_ring=0,
            dropped_writer=0,
            expired_packets=0,
            expired_bytes=0,
            last_packet_time="",
        )
        for each in report.endpoints
    )
    return replace(report, endpoints=endpoints, file_names=(), file_names_omitted=0)
