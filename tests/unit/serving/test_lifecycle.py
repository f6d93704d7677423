"""The order in which a server ends."""

import asyncio

from apiserver.serving.lifecycle import Ending


class Delay:
    """A sleep that ends when it is told to."""

    def __init__(self):
        self.seconds = None
        self.over = asyncio.Event()

    async def __call__(self, seconds):
        self.seconds = seconds
        await self.over.wait()


async def test_the_end_is_announced_before_it_begins():
    ending, delay = Ending(), Delay()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(ending.run(delay_seconds=7, drain_seconds=1, sleep=delay))
        await ending.announced.wait()

        assert delay.seconds == 7
        assert not ending.begun.is_set()
        delay.over.set()
        await ending.begun.wait()


async def test_requests_under_way_are_waited_for():
    ending = Ending()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        with ending.request():
            with ending.request():
                running = tasks.create_task(ending.run(delay_seconds=0, drain_seconds=60))
                await ending.begun.wait()
            await asyncio.sleep(0)
            assert not running.done()
        await running


async def test_requests_that_do_not_end_are_not_waited_for_for_ever(caplog):
    ending = Ending()

    with ending.request():
        await ending.run(delay_seconds=0, drain_seconds=0)

    assert [each.message for each in caplog.records] == ["requests are cut off"]


async def test_without_requests_there_is_nothing_to_wait_for():
    async with asyncio.timeout(5):
        await Ending().run(delay_seconds=0, drain_seconds=60)
