import asyncio
import socket

from aiohttp import web

from nodeagent.listener import Listener


async def test_a_port_that_is_taken_is_opened_once_it_is_free(caplog):
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    waits: asyncio.Queue[float] = asyncio.Queue()

    async def sleep(seconds):
        waits.put_nowait(seconds)
        taken.close()

    listener = Listener(
        web.Application(), host="127.0.0.1", port=port, jitter=lambda low, _: low, sleep=sleep
    )

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(listener.serve(None))
        await waits.get()
        problem = listener.problem
        await listener.opened.wait()
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        serving.cancel()

    assert f"port {port} cannot be opened" in problem
    assert problem in [getattr(each, "problem", "") for each in caplog.records]
    assert listener.problem == ""
