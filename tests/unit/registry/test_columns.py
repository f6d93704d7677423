"""What `kubectl get packetcaptures` shows."""

from datetime import UTC, datetime, timedelta

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.registry.columns import COLUMNS, cells, human_bytes
from apiserver.resource.status.conditions import completed
from tests.support import statuses
from tests.support.statuses import ended, endpoint, known, node, pod, status_with

NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (812, "812"),
        (1023, "1023"),
        (1024, "1.0Ki"),
        (1229, "1.2Ki"),
        (34 << 20, "34Mi"),
        (5 << 30, "5.0Gi"),
        (3 << 40, "3.0Ti"),
        (4000 << 40, "4000Ti"),
    ],
)
def test_bytes_are_shown_as_people_read_them(count, text):
    assert human_bytes(count) == text


def test_a_row_has_a_cell_for_every_column():
    status: JsonObject = {
        "pods": 1,
        "packets": 5,
        "dropped": 2,
        "bytes": 2048,
        "files": [{"node": "n1", "state": "Capturing"}],
    }
    document: JsonObject = {
        "metadata": {"name": "http", "creationTimestamp": "2026-01-02T14:58:00Z"},
        "spec": {"selector": "all()", "endTime": "2026-01-02T16:00:00Z"},
        "status": status,
    }

    row = cells(document, NOW)

    assert len(row) == len(COLUMNS)
    assert dict(zip((each.name for each in COLUMNS), row, strict=True)) == {
        "Name": "http",
        "State": "Capturing",
        "Pods": 1,
        "Packets": 5,
        "Dropped": 2,
        "Size": "2.0Ki",
        "Age": "2m",
        "Selector": "all()",
        "Start": None,
        "End": "2026-01-02T16:00:00Z",
        "Nodes": 1,
    }


def shown(status, **spec):
    document = {"metadata": {"name": "http"}, "spec": {"selector": "all()", **spec}}
    return dict(
        zip(
            (each.name for each in COLUMNS),
            cells({**document, "status": status}, NOW),
            strict=True,
        )
    )["State"]


TO_COME, PAST = {"startTime": "2026-01-02T16:00:00Z"}, {"endTime": "2026-01-02T15:00:00Z"}
NO_PODS = completed({}, known(pods=[]))


@pytest.mark.parametrize(
    ("status", "spec", "state"),
    [
        pytest.param({}, {}, "", id="nothing known"),
        pytest.param({}, TO_COME, "Scheduled", id="before its start and any report"),
        pytest.param({}, PAST, "Finished", id="after its end and no report"),
        pytest.param(NO_PODS, {}, "NoEndpoints", id="nothing selected"),
        pytest.param(NO_PODS, PAST, "Finished", id="nothing was ever selected"),
        pytest.param(
            completed({}, known(pods=[pod()])), {}, "Waiting", id="no node has reported yet"
        ),
        pytest.param(
            completed({}, known(pods=[pod(problem="there is no agent on its node")])),
            {},
            "Error",
            id="no agent anywhere",
        ),
        pytest.param(status_with(node("n1", endpoint())), {}, "Capturing", id="running"),
        pytest.param(
            status_with(node("n1", endpoint())), PAST, "Capturing", id="not known to have ended"
        ),
        pytest.param(
            completed(status_with(node("n1", ended(reason="Deleted"))), known(pods=[])),
            {},
            "NoEndpoints",
            id="nothing selected any more",
        ),
        pytest.param(
            completed(status_with(node("n1", ended(reason="PacketLimit"))), known()),
            {},
            "Finished",
            id="all has come to its limits",
        ),
        pytest.param(
            completed(
                status_with(node("n1", endpoint())),
                known(silent={"n1": statuses.NOW - timedelta(minutes=2)}),
            ),
            {},
            "Capturing",
            id="what a silent node said last",
        ),
    ],
)
def test_the_state_says_what_runs_else_why_nothing_does(status, spec, state):
    assert shown(status, **spec) == state
