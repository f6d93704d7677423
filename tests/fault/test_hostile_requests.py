"""Requests that nobody would send by mistake: no fault, no trace in the log, no answer without end.

Here is a sample of what `python -m tests.bench.fuzz` does for as long as one likes.
"""

import asyncio
import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.fuzz.callers import callers
from tests.bench.fuzz.driving import Driver, Plan
from tests.bench.fuzz.serverlog import ServerLog, log_of
from tests.support.rawhttp import RawAnswer, raw_connection, request_text, usage
from tests.support.server import Installation, Server, install, serving

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
SCHEMATHESIS_SECONDS = 10

CASES = 3_000

COLLECTION = "/apis/projectcalico.org/v3/namespaces/hostile/packetcaptures"
OBJECT = b'{"metadata":{"name":"http"}}'

MAX_GROWTH_BYTES = 200 << 20
MAX_ANSWER_BYTES = 2 << 20


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return install(tmp_path)


@pytest.fixture
def running(installation: Installation) -> Iterator[tuple[Server, ServerLog]]:
    with serving(installation) as server, log_of(server) as log:
        yield server, log


async def ask(
    server: Server,
    tls: ssl.SSLContext,
    method: str,
    target: str,
    body: bytes = b"",
    **headers: str,
) -> RawAnswer:
    """Send a request on a connection of its own."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    async with raw_connection(server.url, tls) as connection:
        return await connection.ask(request_text(method, target, body, headers=named))


async def test_nothing_of_a_fuzz_makes_the_server_fail(installation, running):
    server, log = running
    driver = Driver(server.url, callers(installation), lambda _: None)

    await driver.run(Plan(seed=1, count=CASES))

    assert driver.findings.violations == []
    assert log.complaints == []
    assert driver.findings.done == CASES


def test_what_openapi_describes_has_no_server_errors(installation, running, tmp_path):
    server, log = running
    admin = installation.layout.admin
    made = asyncio.run(ask(server, installation.client(admin), "POST", COLLECTION, OBJECT))
    # A watch is a stream, and a version of the future a 504.
    (tmp_path / "schemathesis.toml").write_text(
        '[parameters]\n"query.watch" = "false"\n"query.resourceVersion" = "0"\n'
        '"path.namespace" = "hostile"\n"path.name" = "http"\n'
    )

    said = subprocess.run(
        [
            *(SCHEMATHESIS, "run", f"{server.url}/openapi/v3/apis/projectcalico.org/v3"),
            *("--url", server.url, "--tls-verify", installation.layout.authority.certificate),
            *("--request-cert", admin.certificate, "--request-cert-key", admin.key),
            *("--checks", "not_a_server_error,content_type_conformance,response_schema_conformance"),
            *("--phases", "coverage,fuzzing", "--max-time", str(SCHEMATHESIS_SECONDS)),
            *("--seed", "1", "--generation-database", "none", "--request-timeout", "10", "--no-color"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip

    assert made.code == 201
    assert said.returncode == 0, said.stdout
    assert "15 selected / 15 total" in said.stdout
    assert log.complaints == []


@pytest.mark.parametrize(
    ("target", "metadata"),
    [
        pytest.param(f"?fieldManager={'%07' * 20_000}", {}, id="a manager of control characters"),
        pytest.param(
            "",
            {"ownerReferences": [{"uid": str(i), "controller": True} for i in range(20_000)]},
            id="very many controllers",
        ),
        pytest.param("", {"finalizers": ["-"] * 200_000}, id="finalizers"),
        pytest.param("", {"labels": {f"l{i}": "a b" for i in range(50_000)}}, id="labels"),
        pytest.param("", {"labels": [0] * 500_000}, id="of another type"),
        pytest.param("", {"ownerReferences": [0] * 500_000}, id="items of another type"),
    ],
)
async def test_what_is_wrong_very_often_is_told_in_few_words(
    installation, running, target, metadata
):
    server, log = running
    body = json.dumps({"metadata": {"name": "a", **metadata}}).encode()
    before = usage(server.process.pid).resident_bytes

    answer = await ask(
        server, installation.client(installation.layout.admin), "POST", COLLECTION + target, body
    )

    assert answer.code in {400, 422}
    assert len(answer.body) < MAX_ANSWER_BYTES
    assert usage(server.process.pid).resident_bytes - before < MAX_GROWTH_BYTES
    assert log.complaints == []
