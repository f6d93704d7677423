import asyncio

import pytest
from aiohttp.test_utils import make_mocked_request
from prometheus_client.parser import text_string_to_metric_families

from apiserver.agentapi.reports import NodeReport, ReportAnswer
from apiserver.resource.types import State
from apiserver.upstream.client import UnreachableError
from nodeagent.capture.counters import Tally
from nodeagent.figures import Disk, Figures, Memory, Rotated, Throttling, work_of
from nodeagent.metrics import AgentMetrics
from nodeagent.rounds import Rounds

REPORT = NodeReport("n1", "boot", 1, full=False, captures=())


@pytest.fixture
def metrics():
    return AgentMetrics()


@pytest.fixture
def read(metrics):
    async def get(figures=None):
        if figures is not None:

            async def give():
                return figures

            metrics.watch(give, Rounds(lambda: 0.0))
        page = await metrics.page(make_mocked_request("GET", "/metrics"))
        assert page.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        families = text_string_to_metric_families(page.body.decode())
        return {
            (
                sample.name.removeprefix("packetcapture_agent_"),
                *sample.labels.values(),
            ): sample.value
            for family in families
            for sample in family.samples
        }

    return get


async def test_everything_that_is_counted_is_shown(read):
    states = [[State.CAPTURING, State.FINISHED], [State.ERROR], []]
    found = await read(
        Figures(
            captured=Tally(10, 1000, 3, 4),
            work=work_of(states, settling=2),
            rotated=Rotated(5, 6, 7),
            disk=Disk(used=8, budget=9, free=10),
            memory=Memory(rings=2, used=11, budget=12),
            watches={"captures": True, "pods": False},
            throttling=Throttling(13, 1.5),
        )
    )

    shown = {key: value for key, value in found.items() if not key[0].startswith("process_")}
    assert {key: value for key, value in shown.items() if "seconds_" not in key[0]} == {
        ("captured_packets_total",): 10,
        ("captured_bytes_total",): 1000,
        ("dropped_packets_total", "ring"): 3,
        ("dropped_packets_total", "writer"): 4,
        ("captures", "Scheduled"): 0,
        ("captures", "WaitingForTraffic"): 0,
        ("captures", "Capturing"): 1,
        ("captures", "Finished"): 0,
        ("captures", "Error"): 1,
        ("endpoints", "Scheduled"): 0,
        ("endpoints", "WaitingForTraffic"): 0,
        ("endpoints", "Capturing"): 1,
        ("endpoints", "Finished"): 1,
        ("endpoints", "Error"): 1,
        ("settling_captures",): 2,
        ("rotated_files_total",): 5,
        ("expired_files_total",): 6,
        ("expired_bytes_total",): 7,
        ("disk_used_bytes",): 8,
        ("disk_budget_bytes",): 9,
        ("disk_free_bytes",): 10,
        ("rings",): 2,
        ("ring_memory_bytes",): 11,
        ("ring_memory_budget_bytes",): 12,
        ("watch_in_sight", "captures"): 1,
        ("watch_in_sight", "pods"): 0,
        ("cpu_throttled_periods_total",): 13,
        ("reports_total", "sent"): 0,
        ("reports_total", "failed"): 0,
    }
    assert shown["cpu_throttled_seconds_total",] == 1.5


async def test_what_nobody_counts_is_not_shown(read):
    found = await read(Figures(disk=Disk(free=10)))

    for name in ("captures", "rotated_files_total", "disk_used_bytes", "rings", "watch_in_sight"):
        assert not [key for key in found if key[0] == name]
    assert found["disk_free_bytes",] == 10


async def test_the_process_is_shown(read):
    found = await read()

    for name in ("cpu_seconds_total", "resident_memory_bytes", "open_fds", "max_fds"):
        assert found[f"process_{name}",] > 0


async def test_rounds_are_counted_with_what_they_took(metrics, read):
    now = iter([0.0, 0.002, 10.0, 10.0, 10.03])
    rounds = Rounds(lambda: next(now))
    metrics.watch(metrics._figures, rounds)

    with rounds.round():
        pass
    with rounds.settling():
        pass

    found = await read()
    assert found["reconcile_round_seconds_count",] == 1
    assert found["reconcile_round_seconds_bucket", "0.001"] == 0
    assert found["reconcile_round_seconds_bucket", "0.0025"] == 1
    assert found["settle_seconds_sum",] == pytest.approx(0.03)


async def test_reports_are_counted_by_how_they_ended(metrics, read):
    async def send(report):
        if report.sequence > 1:
            raise UnreachableError("away")
        return ReportAnswer((), ())

    counting = metrics.counting(send)
    async with asyncio.timeout(10):
        await counting(REPORT)
        for _ in range(2):
            with pytest.raises(UnreachableError):
                await counting(NodeReport("n1", "boot", 2, full=False, captures=()))

    found = await read()
    assert (found["reports_total", "sent"], found["reports_total", "failed"]) == (1, 2)
