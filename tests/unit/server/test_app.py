"""The door: what happens to every request, whatever answers it."""

import asyncio

import aiohttp
import pytest
from aiohttp import web

from apiserver.server import app
from apiserver.wire.status import bad_request
from tests.support.door import COLLECTION, WATCH, Stuck, World, ok, stream


@pytest.mark.parametrize("path", [COLLECTION, WATCH, "/readyz"])
async def test_the_callers_audit_id_is_on_every_response(path):
    async with World(handler=stream).serve() as client:
        given = await client.ask(path, Audit_ID="abc")
        made = await client.ask(path)

    assert given.headers.getall("Audit-Id") == ["abc"]
    assert len(made.headers["Audit-Id"]) == 36


async def test_errors_have_it_too_and_one_that_is_no_text_is_made_readable():
    async with World().serve() as client:
        refused = await client.ask(COLLECTION, user="", Audit_ID="abc")
        reader, writer = await asyncio.open_connection("127.0.0.1", refused.url.port)
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\nAudit-ID: \xff\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    assert (refused.status, refused.headers["Audit-Id"]) == (401, "abc")
    assert "Audit-Id: \ufffd\r\n" in head.decode()


async def test_what_fails_here_is_a_status_and_the_connection_goes_on(caplog):
    async def fail(_):
        raise ZeroDivisionError

    world = World(handler=fail)
    async with world.serve() as client:
        failed = await client.ask(COLLECTION)
        world.handler = ok
        after = await client.ask(COLLECTION)

    status = await failed.json()
    assert (failed.status, status["reason"]) == (500, "InternalError")
    assert status["message"] == (
        "This request caused apiserver to panic. Look in the logs for details."
    )
    assert "Server" not in failed.headers
    assert after.status == 200
    assert [each.message for each in caplog.records] == ["request failed"]


async def test_warnings_accompany_errors():
    async def refuse(_):
        error = bad_request("no")
        error.warnings = ("old",)
        raise error

    async with World(handler=refuse).serve() as client:
        answer = await client.ask(COLLECTION)

    assert (answer.status, answer.headers["Warning"]) == (400, '299 - "old"')


async def test_a_response_that_has_begun_is_cut_off_and_counted(caplog):
    async def fail(call):
        response = web.StreamResponse()
        await response.prepare(call.http)
        await response.write(b"one")
        raise ZeroDivisionError

    world = World(handler=fail)
    async with world.serve() as client:
        response = await client.open(WATCH)
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()

    assert world.value("apiserver_request_aborts_total", verb="WATCH") == 1
    assert world.value("apiserver_request_total", verb="WATCH", code="200") == 1


async def test_a_request_has_the_time_that_it_gives_itself():
    world = World(handler=Stuck())
    async with world.serve() as client:
        answer = await client.ask(f"{COLLECTION}?timeout=50ms")

    status = await answer.json()
    assert (answer.status, status["reason"]) == (504, "Timeout")
    assert status["message"] == "Timeout: request did not complete within the allotted timeout"
    assert world.value("apiserver_request_terminations_total", verb="LIST", code="504") == 1
    assert world.value("apiserver_request_total", verb="LIST", code="504") == 1


async def test_no_request_has_more_time_than_there_is(monkeypatch):
    monkeypatch.setattr(app, "REQUEST_SECONDS", 0.05)
    async with World(handler=Stuck()).serve() as client:
        answers = [await client.ask(f"{COLLECTION}{query}") for query in ("", "?timeout=1h")]

    assert [each.status for each in answers] == [504, 504]


async def test_a_bad_timeout_comes_before_the_question_who_is_asking():
    async with World().serve() as client:
        answers = [
            await client.ask(f"{COLLECTION}?timeout=bad", user=user) for user in ("", "mallory")
        ]

    assert [each.status for each in answers] == [400, 400]


async def test_connections_are_closed_once_the_end_is_announced_and_requests_served():
    world = World(handler=stream)
    async with world.serve() as client:
        world.ending.announced.set()
        served = [await client.ask(path) for path in (COLLECTION, WATCH, "/livez")]
        world.ending.begun.set()
        refused = await client.ask(COLLECTION)
        probe = await client.ask("/livez")

    assert {each.headers["Connection"] for each in (*served, refused, probe)} == {"close"}
    assert [each.status for each in served] == [200, 200, 200]
    assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
    assert (await refused.json())["message"] == "apiserver is shutting down"
    assert probe.status == 200
