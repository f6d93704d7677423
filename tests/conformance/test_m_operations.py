"""M. Operations: health, numbers, IDs, time."""

import asyncio
import json
from uuid import UUID

import pytest

from tests.conformance.checks import check, patient
from tests.conformance.documents import fill
from tests.conformance.doors import MASTERS
from tests.conformance.numbers import value
from tests.conformance.server import ACCOUNT
from tests.support.client import GROUP, capture, collection

TOTAL = "apiserver_request_total"
CAPTURES = {"group": "projectcalico.org", "version": "v3", "resource": "packetcaptures"}


@pytest.fixture
def operator(doors, session):
    """An administrator at the server itself."""
    return doors["direct"].user(session, "admin", MASTERS)


@check(118)
@pytest.mark.parametrize("probe", ["livez", "readyz", "healthz"])
async def test_health_is_told_check_by_check(operator, probe):
    brief = await operator.get(f"/{probe}")
    verbose = await operator.get(f"/{probe}", verbose="")

    first, *_, last = verbose.body.decode().splitlines()
    assert (brief.code, brief.body) == (200, b"ok")
    assert brief.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert verbose.code == 200
    assert (first, last) == ("[+]ping ok", f"{probe} check passed")


@check(118)
async def test_checks_can_be_left_out(operator):
    answer = await operator.request("GET", "/readyz?verbose&exclude=storage&exclude=nothing")

    lines = answer.body.decode().splitlines()
    assert answer.code == 200
    assert "[+]storage excluded: ok" in lines
    assert 'warn: some health checks cannot be excluded: no matches for "nothing"' in lines


@check(118)
@pytest.mark.parametrize(
    ("path", "code"),
    [
        *(("/readyz/ping", 200), ("/livez/ping", 200), ("/readyz/storage", 200)),
        *(("/livez/x", 404), ("/readyz/", 404)),
    ],
)
async def test_one_check_has_a_path(operator, path, code):
    answer = await operator.get(path)

    assert answer.code == code
    assert (answer.body == b"ok") is (code == 200)


@check(122)
async def test_requests_are_counted(admin, operator, namespace):
    listed = {"verb": "LIST", **CAPTURES, "scope": "namespace", "code": "200"}
    created = {"verb": "POST", **CAPTURES, "scope": "resource", "code": "201", "dry_run": "All"}
    before = [await value(operator, TOTAL, **labels) for labels in (listed, created)]

    await admin.get(collection(namespace))
    await admin.create(namespace, capture(), dryRun="All")

    after = [await value(operator, TOTAL, **labels) for labels in (listed, created)]
    assert [late - early for early, late in zip(before, after, strict=True)] == [1, 1]


@check(122)
async def test_watches_are_counted_while_they_last_and_afterwards(admin, operator, namespace):
    watches = {"verb": "WATCH", **CAPTURES}
    lasting = "apiserver_longrunning_requests"
    before = await value(operator, TOTAL, **watches)
    lasting_before = await value(operator, lasting, **watches)

    async with admin.watch(
        collection(namespace), resourceVersion="0", timeoutSeconds="1"
    ) as watch:
        lasting_at_once = await value(operator, lasting, **watches)
        end = await watch.next()

    assert end is None
    assert lasting_at_once > lasting_before
    async with asyncio.timeout(5):
        while await value(operator, TOTAL, **watches) == before:
            pass


@check(122)
async def test_dashboards_find_what_they_show(admin, operator, namespace):
    await fill(admin, namespace, capture())

    page = (await operator.get("/metrics")).body.decode()

    for name in (
        *("apiserver_request_duration_seconds_bucket", "apiserver_response_sizes_bucket"),
        *("apiserver_request_sli_duration_seconds_bucket", "apiserver_watch_events_total"),
        *("apiserver_current_inflight_requests", "apiserver_storage_objects"),
        *("authenticated_user_requests", "apiserver_delegated_authz_request_total"),
        *("process_resident_memory_bytes", "process_start_time_seconds"),
    ):
        assert f"\n{name}" in page, name


@check(123)
async def test_an_audit_id_is_kept(admin, namespace):
    asked = {"headers": {"Audit-ID": "a-request-of-mine"}}

    answer = await admin.get(collection(namespace), **asked)

    assert answer.headers["Audit-Id"] == "a-request-of-mine"


@check(123)
@pytest.mark.parametrize("path", [collection("t", "none"), GROUP, "/nowhere"])
async def test_a_request_without_an_audit_id_gets_one(operator, path):
    answer = await operator.get(path)

    assert UUID(answer.headers["Audit-Id"]).version == 4


@check(125)
@pytest.mark.parametrize("path", [collection("t"), GROUP, collection("t", "none")])
async def test_a_timeout_must_be_a_duration(admin, path):
    answer = await admin.get(path, timeout="bad")

    assert answer.code == 400
    assert "invalid timeout specified in the request URL" in answer.json["message"]
    assert (await admin.get(path, timeout="30s")).code != 400


@check(125)
async def test_a_watch_ignores_the_timeout(admin, namespace):
    async with admin.watch(
        collection(namespace), timeout="bad", timeoutSeconds="1", resourceVersion="0"
    ) as watch:
        assert watch.response.status == 200


@patient()
def test_the_rights_of_the_manifests_are_all_that_it_needs(server):
    lines = map(json.loads, server.log.read_text().splitlines())

    refused = [line.get("missing_right", line) for line in lines if ACCOUNT in str(line)]

    # Which it is not given here.
    assert refused == ["list and watch pods of all namespaces"]
