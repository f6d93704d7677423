"""What is written first, and that nothing is written twice at the same time."""

import asyncio

import pytest

from apiserver.registry.statuses.backlog import Backlog, Queue
from apiserver.registry.statuses.statuswriting import CaptureIdentity
from tests.support.statuses import endpoint, node

pytestmark = pytest.mark.looptime


@pytest.fixture
async def backlog():
    return Backlog(asyncio.get_running_loop().time)


def subject(name="http"):
    return CaptureIdentity("shop", name, f"uid-{name}")


async def next_name(backlog, queue):
    return (await backlog.next_due(queue)).subject.name


def now():
    return asyncio.get_running_loop().time()


async def test_what_is_due_first_comes_first(backlog):
    for name, due in [("late", 30.0), ("early", 10.0), ("middle", 20.0)]:
        backlog.add(subject(name), now() + due)

    names = [await next_name(backlog, Queue.LOOKED_AT) for _ in range(3)]

    assert names == ["early", "middle", "late"]
    assert now() == 30


async def test_what_is_wanted_earlier_is_due_earlier(backlog):
    backlog.add(subject(), now() + 100)
    backlog.add(subject(), now() + 5)
    backlog.add(subject(), now() + 50)

    await backlog.next_due(Queue.LOOKED_AT)

    assert now() == 5
    assert not backlog.holds("uid-http")


async def test_what_is_reported_is_for_others_from_then_on(backlog):
    backlog.add(subject("other"), now() + 1)
    backlog.add(subject("http"), now() + 1)
    backlog.add(subject("http"), now() + 50, node("n1", endpoint()))

    reported = await backlog.next_due(Queue.REPORTED)

    assert (reported.subject.name, now()) == ("http", 1)
    assert await next_name(backlog, Queue.LOOKED_AT) == "other"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1000):
            await backlog.next_due(Queue.LOOKED_AT)


async def test_of_what_a_node_says_the_newest_counts(backlog):
    for sequence in (2, 3, 1):
        backlog.add(subject(), now(), node("n1", endpoint(packets=sequence), sequence=sequence))

    work = await backlog.next_due(Queue.REPORTED)

    assert [each.sequence for each in work.nodes.values()] == [3]


async def test_a_capture_that_is_being_written_waits_for_its_next_turn(backlog):
    backlog.add(subject(), now())
    work = await backlog.next_due(Queue.LOOKED_AT)

    with backlog.doing(work):
        backlog.add(subject(), now())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await backlog.next_due(Queue.LOOKED_AT)
        assert (backlog.holds("uid-http"), backlog.waits("uid-http")) == (True, True)

    assert await next_name(backlog, Queue.LOOKED_AT) == "http"


async def test_what_could_not_be_written_comes_again_under_what_was_said_since(backlog):
    backlog.add(subject(), now(), node("n1", endpoint(packets=1)))
    backlog.add(subject(), now(), node("n2", endpoint(packets=1)))
    work = await backlog.next_due(Queue.REPORTED)
    backlog.add(subject(), now(), node("n1", endpoint(packets=2), sequence=2))

    backlog.put_back(work, now() + 5)

    again = await backlog.next_due(Queue.REPORTED)
    assert now() == 5
    assert {name: each.sequence for name, each in again.nodes.items()} == {"n1": 2, "n2": 1}


async def test_what_takes_long_waits_with_its_like_whatever_is_said_of_it(backlog):
    backlog.add(subject(), now())
    work = await backlog.next_due(Queue.LOOKED_AT)
    work.takes_long = True
    backlog.put_back(work, now())

    backlog.add(subject(), now(), node("n1", endpoint()))

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(10):
            await backlog.next_due(Queue.REPORTED)
    assert len((await backlog.next_due(Queue.LONG)).nodes) == 1
