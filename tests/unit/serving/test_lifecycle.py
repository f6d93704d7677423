"""The order in which a server ends."""

import asyncio

import pytest

from apiserver.serving.lifecycle import Ending, reset


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
        with ending.request(lambda: None):
            with ending.request(lambda: None):
                running = tasks.create_task(ending.run(delay_seconds=0, drain_seconds=60))
                await ending.begun.wait()
            await asyncio.sleep(0)
            assert not running.done()
        await running


async def test_requests_that_do_not_end_are_cut_off(caplog):
    ending, cut = Ending(), []

    with ending.request(lambda: cut.append("slow")):
        with ending.request(lambda: cut.append("done")):
            pass
        await ending.run(delay_seconds=0, drain_seconds=0)

    assert cut == ["slow"]
    assert [each.message for each in caplog.records] == ["requests are cut off"]


async def test_without_requests_there_is_nothing_to_wait_for():
    async with asyncio.timeout(5):
        await Ending().run(delay_seconds=0, drain_seconds=60)


async def test_a_reset_is_heard_by_a_client_that_has_not_taken_what_was_sent():
    async def send(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(64 << 20))
        reset(writer.transport)

    async with asyncio.timeout(5), await asyncio.start_server(send, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())

        with pytest.raises(ConnectionResetError):
            await reader.read()

        writer.transport.abort()


async def test_what_is_closed_already_is_not_reset():
    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()
        reset(writer.transport)
        reset(None)

    async with asyncio.timeout(5), await asyncio.start_server(close, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())

        assert await reader.read() == b""

        writer.transport.abort()
