import asyncio
from collections import deque
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from apiserver.cluster.buckets import BURST
from apiserver.cluster.events import (
    COUNT_SECONDS,
    LEFT_OUT_SECONDS,
    MAX_SERIES,
    SERIES_SECONDS,
    TOO_LATE_SECONDS,
    recording_events,
)
from apiserver.jsontypes import JsonObject, integer_at, object_at, text_at
from apiserver.resource.status.happenings import Happening
from apiserver.upstream.client import ApiStatusError, UnreachableError
from tests.fakes.time import NOON

pytestmark = pytest.mark.looptime

EVENTS = "/apis/events.k8s.io/v1/namespaces/shop/events"
AWAY = UnreachableError("no answer")
FORBIDDEN = ApiStatusError(403, "Forbidden", "no")


class Cluster:
    """Takes events as kube-apiserver does; `failures` come first."""

    def __init__(self) -> None:
        self.events: dict[str, JsonObject] = {}
        self.calls: list[str] = []
        self.failures: deque[Exception | None] = deque()

    async def create(self, path, document):
        self._called("create")
        own = f"{path}/{document['metadata']['name']}"
        if own in self.events:
            raise ApiStatusError(409, "AlreadyExists", "already exists")
        self.events[own] = document
        return document

    async def merge_patch(self, path, patch):
        self._called("patch")
        if path not in self.events:
            raise ApiStatusError(404, "NotFound", "not found")
        self.events[path] |= patch
        return self.events[path]

    def _called(self, verb):
        self.calls.append(verb)
        if self.failures and (failure := self.failures.popleft()) is not None:
            raise failure

    @property
    def counts(self):
        """How often each note was told of."""
        return {
            text_at(each, "note"): integer_at(object_at(each, "series"), "count") or 1
            for each in self.events.values()
        }


@pytest.fixture
def cluster():
    return Cluster()


@pytest.fixture
def recording(cluster):
    @asynccontextmanager
    async def open_recorder():
        loop = asyncio.get_running_loop()
        began = loop.time()

        def clock():
            return NOON + timedelta(seconds=loop.time() - began)

        opening = recording_events(
            cluster, instance="server-1", clock=clock, jitter=lambda _low, high: high
        )
        async with opening as recorder:
            yield recorder

    return open_recorder


def a_capture(uid="u1", *, name="web"):
    return {"metadata": {"namespace": "shop", "name": name, "uid": uid}}


def happened(note="pod a", *, reason="Started"):
    return Happening("Normal", reason, "Capture", note)


async def pass_time(seconds=1.0):
    """Let everything happen that is due within so many seconds."""
    await asyncio.sleep(seconds)


async def test_what_happens_becomes_an_event(cluster, recording):
    async with recording() as recorder:
        recorder.record(a_capture(), happened())
        await pass_time()

    ((path, event),) = cluster.events.items()
    assert path.startswith(f"{EVENTS}/web.")
    assert (event["regarding"]["uid"], event["note"]) == ("u1", "pod a")
    assert event["reportingInstance"] == "server-1"
    assert event["eventTime"] == "2026-01-02T12:00:00.000000Z"


async def test_events_of_one_moment_have_names_of_their_own_and_keep_their_order(
    cluster, recording
):
    async with recording() as recorder:
        for each in "abc":
            recorder.record(a_capture(), happened(f"pod {each}"))
        await pass_time()

    assert [each["note"] for each in cluster.events.values()] == ["pod a", "pod b", "pod c"]


async def test_what_happens_again_is_counted_in_one_event(cluster, recording):
    async with recording() as recorder:
        recorder.record(a_capture(), happened("lost packets"))
        await pass_time()
        for _ in range(3):
            recorder.record(a_capture(), happened("lost packets"))
            await pass_time()
        await pass_time(COUNT_SECONDS + 1)

    (event,) = cluster.events.values()
    assert event["series"] == {"count": 4, "lastObservedTime": "2026-01-02T12:00:03.000000Z"}
    assert cluster.calls == ["create", "patch"]


async def test_what_happened_twice_before_it_was_told_is_one_write(cluster, recording):
    async with recording() as recorder:
        recorder.record(a_capture(), happened())
        recorder.record(a_capture(), happened())
        await pass_time(2 * COUNT_SECONDS)

    assert cluster.calls == ["create"]
    assert cluster.counts == {"pod a": 2}


async def test_after_a_while_it_is_another_event(cluster, recording):
    async with recording() as recorder:
        recorder.record(a_capture(), happened())
        await pass_time(SERIES_SECONDS)
        recorder.record(a_capture(), happened())
        await pass_time()

    assert cluster.calls == ["create", "create"]
    assert len(cluster.events) == 2


async def test_no_capture_floods_the_cluster(cluster, recording):
    async with recording() as recorder:
        for i in range(BURST + 5):
            recorder.record(a_capture(), happened(f"pod x-{i}"))
        recorder.record(a_capture("u2"), happened("another"))
        await pass_time()

        assert recorder.dropped == 5

    assert len(cluster.events) == BURST + 1
    assert "another" in cluster.counts


async def test_that_something_is_left_out_is_said_now_and_then(cluster, recording, caplog):
    async with recording() as recorder:
        for i in range(BURST + 5):
            recorder.record(a_capture(), happened(f"pod x-{i}"))
        await pass_time(LEFT_OUT_SECONDS)
        for i in range(5):
            recorder.record(a_capture(), happened(f"pod y-{i}"))

    assert [each.dropped for each in caplog.records] == [1, 6]
    assert caplog.messages == ["events are left out: there are too many"] * 2


async def test_what_waits_is_bounded_and_the_oldest_is_left_out(cluster, recording):
    cluster.failures.append(AWAY)
    async with recording() as recorder:
        for i in range(MAX_SERIES + 3):
            recorder.record(a_capture(f"u{i}"), happened(f"pod x-{i}"))
        await pass_time(60)

        assert recorder.dropped == 3

    assert len(cluster.events) == MAX_SERIES
    assert "pod x-2" not in cluster.counts


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(AWAY, id="no answer"),
        pytest.param(ApiStatusError(503, "ServiceUnavailable", "away"), id="503"),
        pytest.param(ApiStatusError(429, "TooManyRequests", "later", retry_after=3), id="429"),
    ],
)
async def test_a_cluster_that_is_away_is_told_when_it_is_back(cluster, recording, caplog, failure):
    caplog.set_level("INFO")
    cluster.failures.extend([failure] * 4)
    async with recording() as recorder:
        recorder.record(a_capture(), happened())
        recorder.record(a_capture(), happened("pod b"))
        await pass_time(60)

        assert recorder.dropped == 0

    assert cluster.counts == {"pod a": 1, "pod b": 1}
    assert [each.message for each in caplog.records] == [
        "events are not written",
        "events are written again",
    ]


async def test_what_is_too_old_is_left_out(cluster, recording):
    cluster.failures.extend([AWAY] * 1000)
    async with recording() as recorder:
        recorder.record(a_capture(), happened())
        await pass_time(TOO_LATE_SECONDS + 60)

        assert recorder.dropped == 1


async def test_a_create_whose_answer_was_lost_is_not_told_twice(cluster, recording):
    create = cluster.create

    async def loses_its_answer(path, document):
        await create(path, document)
        cluster.create = create
        raise AWAY

    cluster.create = loses_its_answer
    async with recording() as recorder:
        recorder.record(a_capture(), happened())
        await pass_time(60)
        recorder.record(a_capture(), happened())
        await pass_time(COUNT_SECONDS + 1)

    assert cluster.calls == ["create", "create", "patch"]
    assert cluster.counts == {"pod a": 2}


async def test_an_event_that_is_gone_is_made_anew(cluster, recording):
    async with recording() as recorder:
        recorder.record(a_capture(), happened())
        await pass_time()
        cluster.events.clear()
        recorder.record(a_capture(), happened())
        await pass_time(COUNT_SECONDS + 1)

    assert cluster.calls == ["create", "patch", "create"]
    assert cluster.counts == {"pod a": 2}


async def test_a_missing_right_is_named_once_and_heals(cluster, recording, caplog):
    caplog.set_level("INFO")
    cluster.failures.extend([FORBIDDEN] * 3)
    async with recording() as recorder:
        for each in "abcd":
            recorder.record(a_capture(), happened(f"pod {each}"))
            await pass_time()

        assert recorder.dropped == 3

    assert cluster.counts == {"pod d": 1}
    first, second = caplog.records
    assert first.missing_right == "create and patch events of events.k8s.io"
    assert second.message == "events are written again"


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(
            ApiStatusError(403, "Forbidden", "x", causes=frozenset({"NamespaceTerminating"})),
            id="ends",
        ),
        pytest.param(ApiStatusError(404, "NotFound", "no namespace"), id="is gone"),
    ],
)
async def test_of_a_namespace_that_goes_nothing_is_told(cluster, recording, caplog, failure):
    cluster.failures.append(failure)
    async with recording() as recorder:
        recorder.record(a_capture(), happened())
        await pass_time()
        recorder.record(a_capture("u2"), happened("pod b"))
        await pass_time()

    assert cluster.counts == {"pod b": 1}
    assert not caplog.records


async def test_a_fault_of_ours_costs_one_event(cluster, recording, caplog):
    cluster.failures.append(ValueError("what is this"))
    async with recording() as recorder:
        recorder.record(a_capture(), happened())
        recorder.record(a_capture(), happened("pod b"))
        await pass_time()

    assert cluster.counts == {"pod b": 1}
    assert [each.message for each in caplog.records] == ["an event cannot be written"]
