import asyncio

from apiserver.cluster.keeping import running
from apiserver.cluster.latest import Latest


async def test_the_first_value_is_waited_for():
    latest: Latest[int] = Latest()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(latest.next_after(None))
        await asyncio.sleep(0)
        latest.replace(1)

    assert waiting.result() == 1


async def test_the_same_value_is_not_told_again():
    latest: Latest[int] = Latest()
    latest.replace(1)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(latest.next_after(1))
        await asyncio.sleep(0)
        latest.replace(1)
        await asyncio.sleep(0)
        latest.replace(2)

    assert waiting.result() == 2


async def test_everybody_gets_each_value_that_stays():
    latest: Latest[int] = Latest()
    one: asyncio.Queue[int] = asyncio.Queue()
    other: asyncio.Queue[int] = asyncio.Queue()

    async with running(latest.each(one.put_nowait), latest.each(other.put_nowait)):
        for value in (1, 2):
            latest.replace(value)
            assert await one.get() == await other.get() == value
