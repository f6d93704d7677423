"""`/metrics`: what the agent counts of itself, for Prometheus.

Labels have few values, which the agent itself gives: no pod, capture or interface is named here.
Those are in the captures' status.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from aiohttp import web
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from apiserver.agentapi.reports import NodeReport, ReportAnswer
from apiserver.upstream.client import UpstreamError
from nodeagent.figures import Disk, Figures, Memory, Rotated, Throttling, Work
from nodeagent.rounds import Rounds

PREFIX: Final = "packetcapture_agent"

# From what a round takes on an idle node to what nobody should wait for.
_ROUND_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
_SETTLE_SECONDS: Final = (0.001, 0.005, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

Send: TypeAlias = Callable[[NodeReport], Awaitable[ReportAnswer]]
FiguresOf: TypeAlias = Callable[[], Awaitable[Figures]]


class AgentMetrics:
    """All that one agent counts, and the page that shows it."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        # They would double the number of series, to say when each of them began.
        disable_created_metrics()  # type: ignore[no-untyped-call] # the library's
        self._figures: FiguresOf = _nothing
        self._registry = registry = registry or CollectorRegistry()
        ProcessCollector(registry=registry)
        self._shown = _FiguresCollector()
        registry.register(self._shown)
        self._round = Histogram(
            f"{PREFIX}_reconcile_round_seconds",
            "How long it took to compute what should run.",
            buckets=_ROUND_SECONDS,
            registry=registry,
        )
        self._settling = Histogram(
            f"{PREFIX}_settle_seconds",
            "How long it took to bring one capture in line with that, disk and links included.",
            buckets=_SETTLE_SECONDS,
            registry=registry,
        )
        reports = Counter(
            f"{PREFIX}_reports", "Reports to the API server.", ("result",), registry=registry
        )
        self._sent, self._failed = reports.labels("sent"), reports.labels("failed")

    def watch(self, figures: FiguresOf, rounds: Rounds) -> None:
        """Show what others count from now on, and count for them what they tell."""
        self._figures = figures
        rounds.round_took = self._round.observe
        rounds.settling_took = self._settling.observe

    def counting(self, send: Send) -> Send:
        """Return what sends a report as `send` does, and counts it."""

        async def count(report: NodeReport) -> ReportAnswer:
            try:
                answer = await send(report)
            except UpstreamError:
                self._failed.inc()
                raise
            self._sent.inc()
            return answer

        return count

    async def page(self, _: web.Request) -> web.Response:
        """GET /metrics."""
        self._shown.figures = await self._figures()
        # Numbers of the process are read from files, and rendering takes some milliseconds.
        body = await asyncio.to_thread(generate_latest, self._registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


async def _nothing() -> Figures:
    return Figures()


class _FiguresCollector(Collector):
    """Shows the newest figures."""

    def __init__(self) -> None:
        self.figures = Figures()

    def collect(self) -> Iterator[Metric]:
        """Yield the parts that somebody counts."""
        figures = self.figures
        captured = figures.captured
        yield _counter("captured_packets", "Packets written to files.", captured.packets)
        yield _counter("captured_bytes", "Bytes of those packets.", captured.bytes)
        drops = {"ring": captured.dropped_ring, "writer": captured.dropped_writer}
        yield _counters("dropped_packets", "Packets that no file has.", "reason", drops)
        yield from _work(figures.work)
        yield from _rotated(figures.rotated)
        yield from _disk(figures.disk)
        yield from _memory(figures.memory)
        yield from _throttling(figures.throttling)
        if figures.watches:
            text = "Whether the API server tells of changes now."
            yield _gauges("watch_in_sight", text, "watch", figures.watches)


def _work(work: Work | None) -> Iterator[Metric]:
    if work is not None:
        yield _gauges("captures", "Captures with an endpoint here.", "state", work.captures)
        yield _gauges("endpoints", "Endpoints of captures.", "state", work.endpoints)
        text = "Captures that are being brought in line with what should run."
        yield _gauge("settling_captures", text, work.settling)


def _rotated(rotated: Rotated | None) -> Iterator[Metric]:
    if rotated is not None:
        yield _counter("rotated_files", "Files that were rotated.", rotated.files)
        if rotated.expired_files is not None:
            text = "Files that retention removed."
            yield _counter("expired_files", text, rotated.expired_files)
        if rotated.expired_bytes is not None:
            yield _counter("expired_bytes", "Bytes of those files.", rotated.expired_bytes)


def _disk(disk: Disk | None) -> Iterator[Metric]:
    if disk is not None:
        yield from _known("disk_used_bytes", "What captures use of the disk.", disk.used)
        yield from _known("disk_budget_bytes", "What they may use of it.", disk.budget)
        yield from _known("disk_free_bytes", "What is free where captures are.", disk.free)


def _memory(memory: Memory | None) -> Iterator[Metric]:
    if memory is not None:
        yield _gauge("rings", "Rings between kernel and agent.", memory.rings)
        yield from _known("ring_memory_bytes", "Memory of all rings.", memory.used)
        yield from _known("ring_memory_budget_bytes", "What they may have.", memory.budget)


def _throttling(throttling: Throttling | None) -> Iterator[Metric]:
    if throttling is not None:
        text = "Periods in which the agent's cgroup had no processor time left: packets are lost then."
        yield _counter("cpu_throttled_periods", text, throttling.periods)
        text = "For how long it had none, over all its threads."
        yield _counter("cpu_throttled_seconds", text, throttling.seconds)


def _known(name: str, text: str, value: int | None) -> Iterable[Metric]:
    return () if value is None else (_gauge(name, text, value),)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}_{name}", text, value=value)


def _gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=(label,))
    for each, value in values.items():
        family.add_metric((each,), value)
    return family


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"{PREFIX}_{name}", text, value=value)


def _counters(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(f"{PREFIX}_{name}", text, labels=(label,))
    for each, value in values.items():
        family.add_metric((each,), value)
    return family
