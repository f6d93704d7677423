"""More than the server does at once."""

import asyncio

from apiserver.server.limits import Bounds, BusyError
from tests.support.door import COLLECTION, WATCH, Stuck, World


async def test_too_many_requests_are_told_to_come_back_and_probes_are_answered():
    stuck = Stuck()
    world = World(bounds=Bounds(read_only=2), handler=stuck)
    async with world.serve() as client, asyncio.TaskGroup() as tasks:
        held = [tasks.create_task(client.ask(COLLECTION)) for _ in range(2)]
        for _ in held:
            await stuck.reached.acquire()
        refused = await client.ask(f"{COLLECTION}/http")
        probe = await client.ask("/readyz")
        by_admin = tasks.create_task(client.ask(COLLECTION, user="root"))
        await stuck.reached.acquire()
        watch = tasks.create_task(client.ask(WATCH))
        await stuck.reached.acquire()
        in_flight = world.value("apiserver_current_inflight_requests", request_kind="readOnly")
        lasting = world.value("apiserver_longrunning_requests", verb="WATCH", scope="namespace")
        stuck.go.set()

    status = await refused.json()
    assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
    assert (status["reason"], status["message"]) == (
        "TooManyRequests",
        "Too many requests, please try again later.",
    )
    assert status["details"]["retryAfterSeconds"] == 1
    assert probe.status == by_admin.result().status == watch.result().status == 200
    assert (in_flight, lasting) == (3, 1)
    assert world.value("apiserver_longrunning_requests") == 0
    assert world.value("apiserver_request_terminations_total", code="429") == 1


async def test_whoever_may_not_is_limited_before_anybody_is_asked_about_it():
    stuck = Stuck()
    world = World(bounds=Bounds(read_only=1), handler=stuck)
    async with world.serve() as client, asyncio.TaskGroup() as tasks:
        tasks.create_task(client.ask(COLLECTION))
        await stuck.reached.acquire()
        limited = await client.ask(COLLECTION, user="mallory")
        nobody = await client.ask(COLLECTION, user="")
        stuck.go.set()

    assert (limited.status, nobody.status) == (429, 401)
    assert world.access.asked == ["alice"]


async def test_a_handler_may_have_limits_of_its_own():
    async def busy(_):
        raise BusyError("Too many downloads", 5)

    async with World(handler=busy).serve() as client:
        answer = await client.ask(f"{COLLECTION}/http/files/n1/a.pcap")

    assert (answer.status, answer.headers["Retry-After"]) == (429, "5")
