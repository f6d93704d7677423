import asyncio
from contextlib import asynccontextmanager

import pytest

from apiserver.upstream.client import ApiStatusError, UnreachableError, open_client
from apiserver.upstream.reflector import (
    Changed,
    ChangeType,
    Collection,
    Disconnected,
    Listed,
    Reconnected,
    reflecting,
)
from tests.fakes.kubernetes_api import (
    Ending,
    Reply,
    Stream,
    a_bookmark,
    a_list,
    a_status,
    an_event,
    an_object,
    write_kubeconfig,
)

PATH = "/apis/projectcalico.org/v3/packetcaptures"
A, B = an_object("a"), an_object("b", version="12")


class Naps:
    """Sleeps that take no time and are remembered."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def naps():
    return Naps()


@pytest.fixture
def observing(api, naps, tmp_path):
    @asynccontextmanager
    async def observe(query=None):
        config = write_kubeconfig(tmp_path / "config", api.url)
        async with (
            asyncio.timeout(10),
            open_client(config) as client,
            reflecting(
                Collection(client, PATH, query or {}),
                jitter=lambda _low, high: high,
                sleep=naps,
            ) as observations,
        ):
            yield observations

    return observe


async def take(observations, count):
    return [await anext(observations) for _ in range(count)]


async def test_first_the_list_and_then_what_changes(api, observing):
    api.lists.append(a_list([A], version="11", annotations={"store": "s1"}))
    api.watches.append(Stream((an_event("ADDED", B), an_event("DELETED", A))))

    async with observing({"view": "spec"}) as observations:
        found = await take(observations, 3)

    assert found == [
        Listed((A,), "11", {"store": "s1"}),
        Changed(ChangeType.ADDED, B),
        Changed(ChangeType.DELETED, A),
    ]
    assert api.asked[1].query == {
        "view": "spec",
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": "11",
        "timeoutSeconds": "600",
    }


async def test_a_watch_that_ended_goes_on_from_the_last_event(api, observing, naps):
    api.lists.append(a_list([A], version="11"))
    api.watches.append(Stream((an_event("MODIFIED", B),), Ending.CLEAN))
    api.watches.append(Stream((an_event("MODIFIED", B),)))

    async with observing() as observations:
        found = await take(observations, 3)

    assert [type(each) for each in found] == [Listed, Changed, Changed]
    assert [each.query["resourceVersion"] for each in api.asked_for(watches=True)] == ["11", "12"]


async def test_a_bookmark_moves_the_watch_on_and_is_no_change(api, observing):
    api.lists.append(a_list(version="11"))
    api.watches.append(Stream((a_bookmark("90"),), Ending.CLEAN))
    api.watches.append(Stream((an_event("ADDED", B),)))

    async with observing() as observations:
        found = await take(observations, 2)

    assert found[1] == Changed(ChangeType.ADDED, B)
    assert [each.query["resourceVersion"] for each in api.asked_for(watches=True)] == ["11", "90"]


@pytest.mark.parametrize(
    "expired",
    [
        pytest.param(Reply(a_status(410, "Expired"), 410), id="as the answer"),
        pytest.param(Stream((an_event("ERROR", a_status(410, "Expired")),)), id="as an event"),
        pytest.param(Stream((an_event("ERROR", a_status(0, "Gone")),)), id="by its reason alone"),
    ],
)
async def test_a_version_that_is_too_old_is_listed_anew_without_a_fuss(api, observing, expired):
    api.lists.extend([a_list([A], version="11"), a_list([B], version="50")])
    api.watches.append(expired)

    async with observing() as observations:
        found = await take(observations, 2)

    assert found == [Listed((A,), "11", {}), Listed((B,), "50", {})]


async def test_a_version_that_another_store_cannot_read_is_listed_anew(api, observing):
    api.lists.extend([a_list(version="11"), a_list(version="1")])
    api.watches.append(Reply(a_status(400, "BadRequest"), 400))

    async with observing() as observations:
        found = await take(observations, 3)

    assert [type(each) for each in found] == [Listed, Disconnected, Listed]


async def test_a_cut_within_a_line_loses_no_event(api, observing):
    line = an_event("ADDED", B)
    api.lists.append(a_list(version="11"))
    api.watches.append(Stream((an_event("ADDED", A), line[:9]), Ending.CUT))
    api.watches.append(Stream((line,)))

    async with observing() as observations:
        found = await take(observations, 5)

    assert isinstance(found[2], Disconnected)
    assert isinstance(found[2].error, UnreachableError)
    assert found[3:] == [Reconnected(), Changed(ChangeType.ADDED, B)]
    assert len(api.asked_for(watches=False)) == 1


async def test_one_loss_is_told_once_and_tried_ever_more_rarely(api, observing, naps):
    failing = [Reply(a_status(503, "ServiceUnavailable"), 503)] * 9
    api.lists.extend([*failing, a_list([A])])

    async with observing() as observations:
        found = await take(observations, 2)

    assert isinstance(found[0], Disconnected)
    assert isinstance(found[0].error, ApiStatusError)
    assert isinstance(found[1], Listed)
    assert naps.seconds == [0.5, 1, 2, 4, 8, 10, 10, 10, 10]


async def test_an_event_makes_waits_short_again(api, observing, naps):
    failing = [Reply(a_status(500, "InternalError"), 500)] * 4
    api.lists.append(a_list())
    api.watches.extend([*failing, Stream((an_event("ADDED", A),), Ending.CUT), Stream()])

    async with observing() as observations:
        await take(observations, 6)

    assert naps.seconds == [0.5, 1, 2, 4, 0.5]


async def test_a_server_may_say_how_long_to_wait(api, observing, naps):
    busy = Reply(a_status(429, "TooManyRequests", retry_after=5), 429)
    api.lists.extend([busy, a_list()])

    async with observing() as observations:
        await take(observations, 2)

    assert naps.seconds == [5]


async def test_a_server_that_ends_watches_at_once_is_not_hammered(api, observing, naps):
    api.lists.append(a_list())
    api.watches.extend([Stream((), Ending.CLEAN)] * 4)

    async with observing() as observations:
        await take(observations, 5)

    assert naps.seconds == [0.5, 1, 2, 4]


async def test_a_watch_without_any_sign_of_life_is_followed_by_a_list(api, observing):
    api.lists.extend([a_list(version="500"), a_list(version="11")])
    api.watches.append(Stream((), Ending.CLEAN))

    async with observing() as observations:
        found = await take(observations, 2)

    assert [each.resource_version for each in found] == ["500", "11"]


async def test_a_lost_server_that_compacted_meanwhile_is_listed(api, observing):
    api.lists.extend([a_list([A], version="11"), a_list([B], version="99")])
    api.watches.append(Stream((), Ending.CUT))
    api.watches.append(Reply(a_status(410, "Expired"), 410))

    async with observing() as observations:
        found = await take(observations, 3)

    assert [type(each) for each in found] == [Listed, Disconnected, Listed]


async def test_leaving_the_block_ends_a_silent_watch(api, observing):
    api.lists.append(a_list())

    async with observing() as observations:
        await take(observations, 1)
