"""What the server counts of itself, under the names, labels and buckets of Kubernetes' API servers.

So dashboards and alerts that are written for them read this one too (apiserver-protocol 10.3). Nothing
here is of the process as a whole: whoever makes a server makes the registry that it counts in.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from aiohttp import web
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from apiserver.server.authmetrics import AuthenticationMetrics
from apiserver.server.context import Call
from apiserver.server.limits import Limits
from apiserver.server.requestlabels import RequestLabels
from apiserver.server.responses import respond
from apiserver.storage.interface import StoreError
from apiserver.wire import status
from apiserver.wire.resources import Resource

PATH = "/metrics"

_SECONDS = (
    *(0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20),
    *(30, 45, 60),
)
# What takes less has been as fast as anybody may expect.
_SLI_SECONDS = _SECONDS[2:]
_RESPONSE_BYTES = tuple(10.0**power for power in range(3, 10))
_EVENT_BYTES = tuple(1024.0 * 2**power for power in range(8))

_REQUEST = RequestLabels._fields
_RESOURCE = ("group", "version", "resource")
_WITHOUT_COMPONENT = _REQUEST[:-1]
_WITH_DRY_RUN = ("verb", "dry_run", *_REQUEST[1:])


@dataclass(frozen=True, slots=True)
class _Answers:
    """The series that one kind of answer counts in."""

    total: Counter
    seconds: Histogram
    sli_seconds: Histogram | None
    bytes: Histogram


class RequestMetrics:
    """Requests: how many, how long, how large, and how they ended."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(Counter, registry=registry)
        histogram = partial(Histogram, registry=registry)
        self._total = counter(
            "apiserver_request_total",
            "Counter of apiserver requests broken out for each verb, dry run value, group, version, "
            "resource, scope, component, and HTTP response code.",
            (*_WITH_DRY_RUN, "code"),
        )
        self._seconds = histogram(
            "apiserver_request_duration_seconds",
            "Response latency distribution in seconds for each verb, dry run value, group, version, "
            "resource, subresource, scope and component.",
            _WITH_DRY_RUN,
            buckets=_SECONDS,
        )
        self._sli_seconds = histogram(
            "apiserver_request_sli_duration_seconds",
            "Response latency distribution in seconds for each verb, group, version, resource, "
            "subresource, scope and component, without watches.",
            _REQUEST,
            buckets=_SLI_SECONDS,
        )
        self._bytes = histogram(
            "apiserver_response_sizes",
            "Response size distribution in bytes for each group, version, verb, resource, "
            "subresource, scope and component.",
            _REQUEST,
            buckets=_RESPONSE_BYTES,
        )
        self._long_running = Gauge(
            "apiserver_longrunning_requests",
            "Gauge of all active long-running apiserver requests broken out by verb, group, "
            "version, resource, scope and component. Not all requests are tracked this way.",
            _REQUEST,
            registry=registry,
        )
        self._terminated = counter(
            "apiserver_request_terminations_total",
            "Number of requests which apiserver terminated in self-defense.",
            (*_REQUEST, "code"),
        )
        self._aborted = counter(
            "apiserver_request_aborts_total",
            "Number of requests which apiserver aborted possibly due to a timeout, for each group, "
            "version, verb, resource, subresource and scope",
            _WITHOUT_COMPONENT,
        )
        self._events = counter(
            "apiserver_watch_events_total", "Number of events sent in watch clients", _RESOURCE
        )
        self._event_bytes = histogram(
            "apiserver_watch_events_sizes",
            "Watch event size distribution in bytes",
            _RESOURCE,
            buckets=_EVENT_BYTES,
        )
        # The library looks a series up in some microseconds, and there are four for each request.
        self._answers: dict[tuple[RequestLabels, str, int], _Answers] = {}

    def answered(
        self, labels: RequestLabels, dry_run: str, code: int, *, seconds: float, size: int | None
    ) -> None:
        """Count a request that is over; `code` 0 where nothing was sent, `size` in bytes if known."""
        answers = self._answers.get((labels, dry_run, code)) or self._open(labels, dry_run, code)
        answers.total.inc()
        answers.seconds.observe(seconds)
        if answers.sli_seconds is not None:
            answers.sli_seconds.observe(seconds)
        if size is not None:
            answers.bytes.observe(size)

    def _open(self, labels: RequestLabels, dry_run: str, code: int) -> _Answers:
        with_dry_run = (labels.verb, dry_run, *labels[1:])
        answers = self._answers[labels, dry_run, code] = _Answers(
            self._total.labels(*with_dry_run, code),
            self._seconds.labels(*with_dry_run),
            None if labels.verb == "WATCH" else self._sli_seconds.labels(*labels),
            self._bytes.labels(*labels),
        )
        return answers

    @contextmanager
    def long_running(self, labels: RequestLabels) -> Iterator[None]:
        """Count a request for as long as the block lasts."""
        gauge = self._long_running.labels(*labels)
        gauge.inc()
        try:
            yield
        finally:
            gauge.dec()

    def terminated(self, labels: RequestLabels, code: int) -> None:
        """Count a request that was given up for the sake of the others."""
        self._terminated.labels(*labels, code).inc()

    def aborted(self, labels: RequestLabels) -> None:
        """Count a response that was cut off."""
        self._aborted.labels(*labels[:-1]).inc()

    def events(self, labels: RequestLabels) -> Callable[[int], None]:
        """Return what counts an event of a watch, of so many bytes."""
        resource = (labels.group, labels.version, labels.resource)
        total, sizes = self._events.labels(*resource), self._event_bytes.labels(*resource)

        def sent(size: int) -> None:
            total.inc()
            sizes.observe(size)

        return sent


class ServerMetrics:
    """All of one server, and the page that shows them."""

    def __init__(
        self,
        registry: CollectorRegistry | None = None,
        limits: Limits | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        stored: Resource | None = None,
        count: Callable[[], Awaitable[int]] | None = None,
    ) -> None:
        """Without a registry it is one of its own; without `limits` they are kube-apiserver's.

        `count` tells how many objects of `stored` there are; it may raise StoreError.
        """
        # They would double the number of series, to say when each of them began.
        disable_created_metrics()  # type: ignore[no-untyped-call] # the library's
        self.limits = limits or Limits()
        self.monotonic = monotonic
        self.registry = registry = registry or CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = RequestMetrics(registry)
        self.authentication = AuthenticationMetrics(registry)
        self._count = count
        self._objects = () if stored is None else _object_gauges(stored, registry)
        handshakes = Counter(
            "apiserver_tls_handshake_errors_total",
            "Number of requests dropped with 'TLS handshake error from' error",
            registry=registry,
        )
        self.handshake_failed: Callable[[], None] = handshakes.inc
        in_flight = Gauge(
            "apiserver_current_inflight_requests",
            "Maximal number of currently used inflight request limit of this apiserver per request "
            "kind in last second.",
            ("request_kind",),
            registry=registry,
        )
        in_flight.labels("readOnly").set_function(self.limits.read_only.peak)
        in_flight.labels("mutating").set_function(self.limits.mutating.peak)

    async def page(self, call: Call) -> web.Response:
        """GET /metrics. Raises ApiError 405 for anything else."""
        if call.info.method != "GET":
            raise status.method_not_allowed()
        await self._count_objects()
        # Numbers of the process are read from files, and rendering takes some milliseconds.
        body = await asyncio.to_thread(generate_latest, self.registry)
        return respond(body, content_type=CONTENT_TYPE_PLAIN_0_0_4)

    async def _count_objects(self) -> None:
        if self._count is None:
            return
        try:
            number = await self._count()
        except StoreError:
            number = -1
        for gauge in self._objects:
            gauge.set(number)


def _object_gauges(resource: Resource, registry: CollectorRegistry) -> Sequence[Gauge]:
    text = (
        "Number of stored objects at the time of last check split by kind. In case of a fetching "
        "error, the value will be -1."
    )
    # The older of them, which dashboards know, and its successor from Kubernetes 1.34 on.
    old = Gauge("apiserver_storage_objects", text, ("resource",), registry=registry)
    new = Gauge("apiserver_resource_objects", text, ("group", "resource"), registry=registry)
    return old.labels(resource.group_resource), new.labels(resource.group, resource.plural)
