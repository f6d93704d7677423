"""E. Read and list."""

import asyncio

import pytest

from tests.conformance.checks import check
from tests.conformance.documents import fill
from tests.conformance.history import FORGOTTEN
from tests.support.client import capture, collection

FUTURE = "999999999"


@check(44)
async def test_a_missing_object_is_not_found(admin, namespace):
    answer = await admin.get(collection(namespace, "none"))

    assert answer.code == 404
    assert answer.json == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'packetcaptures.projectcalico.org "none" not found',
        "reason": "NotFound",
        "details": {"name": "none", "group": "projectcalico.org", "kind": "packetcaptures"},
        "code": 404,
    }


@check(44, 50)
async def test_a_version_of_the_future_is_waited_for_and_then_refused(admin, namespace):
    await fill(admin, namespace, capture())
    version = {"resourceVersion": FUTURE}

    async with asyncio.timeout(6), asyncio.TaskGroup() as tasks:
        asked = [
            tasks.create_task(admin.get(path, **version | more))
            for path, more in (
                (collection(namespace, "http"), {}),
                (collection(namespace, "none"), {}),
                (collection(namespace), {}),
                (collection(namespace), {"resourceVersionMatch": "NotOlderThan"}),
                (collection(namespace), {"resourceVersionMatch": "Exact"}),
            )
        ]

    for answer in (each.result() for each in asked):
        assert (answer.code, answer.json["reason"]) == (504, "Timeout")
        assert answer.json["message"].startswith(f"Timeout: Too large resource version: {FUTURE}")
        assert answer.json["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
        assert answer.headers["Retry-After"] == "1"


@check(44)
async def test_a_version_of_the_future_that_comes_in_time_is_answered(admin, namespace):
    await fill(admin, namespace, capture("a"))
    now = int((await admin.get(collection(namespace))).json["metadata"]["resourceVersion"])

    async with asyncio.timeout(2), asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(admin.get(collection(namespace), resourceVersion=now + 1))
        await fill(admin, namespace, capture("b"))

    assert asked.result().code == 200
    assert int(asked.result().json["metadata"]["resourceVersion"]) > now


@check(45)
@pytest.mark.parametrize("query", [{}, {"resourceVersion": "0"}, {"limit": "5"}], ids=str)
async def test_an_empty_list_is_a_list(admin, namespace, query):
    listed = (await admin.get(collection(namespace), **query)).json

    assert (listed["kind"], listed["apiVersion"]) == ("PacketCaptureList", "projectcalico.org/v3")
    assert listed["items"] == []
    assert int(listed["metadata"]["resourceVersion"]) > 0
    assert "continue" not in listed["metadata"]


@check(50)
@pytest.mark.parametrize(
    ("query", "code", "said"),
    [
        pytest.param({"resourceVersion": "0"}, 200, "", id="any"),
        pytest.param({"resourceVersion": "0", "limit": "1"}, 200, "", id="any, limited"),
        pytest.param(
            {"resourceVersionMatch": "Exact"},
            422,
            "resourceVersionMatch is forbidden unless resourceVersion is provided",
            id="exactly nothing",
        ),
        pytest.param(
            {"resourceVersionMatch": "Exact", "resourceVersion": "0"},
            422,
            'resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
            id="exactly any",
        ),
        pytest.param(
            {"resourceVersionMatch": "Bogus", "resourceVersion": "1"},
            422,
            'Unsupported value: "Bogus": supported values: "Exact", "NotOlderThan", ""',
            id="no such match",
        ),
        pytest.param(
            {"resourceVersionMatch": "Exact", "resourceVersion": str(FORGOTTEN)},
            410,
            "The resourceVersion for the provided list is too old.",
            id="exactly what is forgotten",
        ),
        pytest.param(
            {"resourceVersionMatch": "NotOlderThan", "resourceVersion": str(FORGOTTEN)},
            200,
            "",
            id="not older than what is forgotten",
        ),
        pytest.param(
            {"resourceVersion": "abc"}, 400, "invalid resource version", id="not a version"
        ),
        pytest.param(
            {"sendInitialEvents": "true"},
            422,
            "sendInitialEvents is forbidden for list",
            id="events without a watch",
        ),
    ],
)
async def test_versions_of_lists(admin, namespace, query, code, said):
    answer = await admin.get(collection(namespace), **query)

    assert answer.code == code
    assert said in answer.json.get("message", "")


@check(50)
async def test_a_list_of_exactly_a_version_is_of_the_past(admin, namespace):
    made = (await admin.create(namespace, capture("a"))).json
    await fill(admin, namespace, capture("b"))
    version = made["metadata"]["resourceVersion"]

    listed = await admin.get(
        collection(namespace), resourceVersion=version, resourceVersionMatch="Exact"
    )

    assert listed.json["items"] == [made]
    assert listed.json["metadata"]["resourceVersion"] == version
