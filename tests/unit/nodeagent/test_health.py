import asyncio

import pytest
from aiohttp import web

from apiserver.serving.lifecycle import serving
from nodeagent.health import Checks, build_health_app
from tests.support.session import open_session


async def some_metrics(_):
    return web.Response(text="up 1\n")


@pytest.fixture
async def ask():
    problems = {"thread": "", "captures": "", "files": ""}
    app = build_health_app(
        Checks(
            alive={"thread": lambda: problems["thread"]},
            ready={"captures": lambda: problems["captures"], "files": lambda: problems["files"]},
        ),
        some_metrics,
    )
    async with (
        serving(app, host="127.0.0.1", port=0, tls=None, shutdown_seconds=1) as port,
        open_session() as session,
    ):

        async def get(path, **wrong):
            problems.update(wrong)
            url = f"http://127.0.0.1:{port}{path}"
            async with asyncio.timeout(10), session.get(url) as response:
                return response.status, await response.text()

        yield get


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/livez/ping"])
async def test_when_all_is_well_every_probe_passes(ask, path):
    assert await ask(path) == (200, "ok")


async def test_who_cannot_serve_files_is_alive_and_not_ready(ask):
    wrong = {"files": "no certificate"}

    assert await ask("/livez", **wrong) == (200, "ok")
    assert await ask("/healthz", **wrong) == (200, "ok")
    status, text = await ask("/readyz", **wrong)
    assert status == 500
    assert "[-]files failed: no certificate" in text
    assert "[+]captures ok" in text


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
async def test_who_is_stuck_is_neither_alive_nor_ready(ask, path):
    status, text = await ask(path, thread="no answer for 120 s")

    assert status == 500
    assert "[-]thread failed: no answer for 120 s" in text


async def test_what_is_checked_is_shown_to_who_asks(ask):
    assert await ask("/readyz?verbose") == (
        200,
        "[+]ping ok\n[+]thread ok\n[+]captures ok\n[+]files ok\nreadyz check passed\n",
    )


async def test_checks_can_be_left_out_and_asked_alone(ask):
    wrong = {"files": "no certificate"}

    assert await ask("/readyz?exclude=files", **wrong) == (200, "ok")
    assert await ask("/readyz/captures", **wrong) == (200, "ok")
    assert await ask("/readyz/files", **wrong) == (
        500,
        "internal server error: no certificate\n",
    )


async def test_numbers_are_on_the_same_port(ask):
    assert await ask("/metrics") == (200, "up 1\n")


@pytest.mark.parametrize("path", ["/", "/livez/files", "/readyz/other", "/debug/pprof"])
async def test_nothing_else_is_there(ask, path):
    assert (await ask(path))[0] == 404
