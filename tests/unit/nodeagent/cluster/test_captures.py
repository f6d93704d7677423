import asyncio
import threading
from contextlib import asynccontextmanager

import pytest

from apiserver.agentapi.names import STORE_IDENTITY_ANNOTATION
from apiserver.resource.spec.codec import decode_capture
from apiserver.resource.types import CaptureUID
from apiserver.upstream.client import open_client
from nodeagent.cluster.captures import CaptureSet, Rhythm, following_captures
from tests.fakes.kubernetes_api import (
    Ending,
    KubernetesAPI,
    Reply,
    Stream,
    a_list,
    a_status,
    an_event,
    an_object,
    serving,
    write_kubeconfig,
)


def listed(*items, version="10", store="s1"):
    return a_list(items, version=version, annotations={STORE_IDENTITY_ANNOTATION: store})


class Time:
    """A clock that sleeping moves on."""

    def __init__(self) -> None:
        self.now = 0.0

    def read(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


class Following:
    """A follower over a fake server, and what it told."""

    def __init__(self) -> None:
        self.captures = CaptureSet()
        self.reconnections = 0
        self.sights: list[bool] = []
        self._changed = asyncio.Event()

    def reconnected(self) -> None:
        self.reconnections += 1

    def changed(self) -> None:
        self.sights.append(self.captures.is_in_sight)
        self._changed.set()

    async def until(self, condition) -> None:
        async with asyncio.timeout(10):
            while not condition(self.captures):
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
async def api():
    async with serving(KubernetesAPI()) as running:
        yield running


@pytest.fixture
def following(api, tmp_path):
    @asynccontextmanager
    async def follow(remembered=(), decode=decode_capture):
        told, time = Following(), Time()
        async with (
            open_client(write_kubeconfig(tmp_path / "config", api.url)) as client,
            following_captures(
                client,
                decode=decode,
                changed=told.changed,
                reconnected=told.reconnected,
                remembered=remembered,
                rhythm=Rhythm(time.read, lambda _low, high: high, time.sleep),
            ) as told.captures,
        ):
            yield told

    return follow


def names(captures):
    return {each.name for each in captures.captures}


async def test_captures_are_followed_by_their_specification_alone(api, following):
    api.lists.append(listed(an_object("a")))
    api.watches.append(Stream((an_event("ADDED", an_object("b")),)))

    async with following() as told:
        await told.until(lambda captures: names(captures) == {"a", "b"})

    assert {each.path for each in api.asked} == {"/apis/projectcalico.org/v3/packetcaptures"}
    assert {each.query["view"] for each in api.asked} == {"spec"}


async def test_one_object_that_means_nothing_does_not_hide_the_others(api, following):
    bad = {**an_object("bad"), "spec": {"selector": "!!"}}
    api.lists.append(listed(bad, an_object("a")))

    async with following() as told:
        await told.until(lambda captures: captures.synced)

        assert names(told.captures) == {"a"}
        assert [each.name for each in told.captures.undecodable] == ["bad"]


async def test_long_selectors_are_read_while_the_loop_goes_on(api, following):
    long = {"selector": " || ".join(["has(a)"] * 2000)}
    api.lists.append(listed(an_object("short"), {**an_object("long"), "spec": long}))
    api.watches.append(Stream((an_event("ADDED", an_object("later")),)))
    threads = {}

    def decode(document):
        threads[document["metadata"]["name"]] = threading.get_ident()
        return decode_capture(document)

    async with following(decode=decode) as told:
        await told.until(lambda captures: names(captures) == {"short", "long", "later"})

    assert threads["long"] != threading.get_ident() == threads["later"]


async def test_a_watched_deletion_is_told(api, following):
    api.lists.append(listed(an_object("a")))
    api.watches.append(Stream((an_event("DELETED", an_object("a")),)))

    async with following() as told:
        await told.until(lambda captures: captures.gone == {"uid-a"})

        assert names(told.captures) == set()


async def test_what_is_missing_is_checked_after_five_minutes(api, following):
    api.lists.append(listed(an_object("a")))

    async with following([(CaptureUID("uid-old"), "s1")]) as told:
        await told.until(lambda captures: captures.gone == {"uid-old"})

    assert len(api.asked_for(watches=False)) == 2


async def test_a_check_that_fails_proves_nothing_and_is_repeated(api, following):
    failing = Reply(a_status(404, "NotFound"), 404)
    api.lists.extend([listed(), failing, failing, listed()])

    async with following([(CaptureUID("uid-old"), "s1")]) as told:
        await told.until(lambda captures: captures.gone == {"uid-old"})

    assert len(api.asked_for(watches=False)) == 4


async def test_a_check_answered_by_another_store_removes_nothing(api, following):
    api.lists.extend([listed(), listed(store="s2")])
    held = Stream((an_event("ADDED", an_object("a")),))
    api.watches.append(held)

    async with following([(CaptureUID("uid-old"), "s1")]) as told:
        await told.until(lambda captures: captures.synced and captures.next_check() is None)

        assert told.captures.gone == frozenset()


async def test_captures_stay_while_the_server_is_away_and_its_return_is_told_once(api, following):
    api.lists.append(listed(an_object("a")))
    failing = Reply(a_status(503, "ServiceUnavailable"), 503)
    api.watches.extend([Stream((), Ending.CUT), failing, failing, Stream()])

    async with following() as told:
        await told.until(lambda _: told.reconnections == 1)

        assert names(told.captures) == {"a"}
        assert [told.sights[0], told.sights[-1]] == [True, True]
        assert False in told.sights
