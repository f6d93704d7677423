import asyncio

import pytest

from apiserver.serving.lifecycle import serving
from nodeagent.health import build_health_app
from tests.support.session import open_session


@pytest.fixture
async def ask():
    problems = {"captures": "", "files": ""}
    app = build_health_app(
        {"captures": lambda: problems["captures"], "files": lambda: problems["files"]}
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


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
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


async def test_what_is_checked_is_shown_to_who_asks(ask):
    assert await ask("/readyz?verbose") == (
        200,
        "[+]ping ok\n[+]captures ok\n[+]files ok\nreadyz check passed\n",
    )


async def test_nothing_else_is_there(ask):
    assert (await ask("/metrics"))[0] == 404
