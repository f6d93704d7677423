"""When a capture has to be looked at again."""

from datetime import timedelta

import pytest

from apiserver.registry.statuses.timeline import crossed, expiry, followed, next_moment
from apiserver.resource.status.conditions import completed
from apiserver.resource.times import render_time
from tests.support.statuses import NOW, ended, endpoint, known, node, status_with

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
OVER = completed(status_with(node("n1", ended())), known(end=NOW))


def capture(status=None, *, generation=1, metadata=None, **spec):
    return {
        "metadata": {"namespace": "shop", "name": "http", "uid": "u1", "generation": generation}
        | (metadata or {}),
        "spec": spec,
        "status": status or {},
    }


def test_of_a_capture_little_is_remembered():
    status = status_with(node("n1", endpoint()), node("n2", endpoint("b")))
    document = capture(
        status, startTime=render_time(NOW), endTime=render_time(NOW + MINUTE), selector="x" * 9999
    )

    found = followed(document)

    assert (found.identity.namespace, found.identity.name, found.identity.uid) == (
        "shop",
        "http",
        "u1",
    )
    assert found.nodes == {"n1", "n2"}
    assert found.moments == (NOW, NOW + MINUTE, NOW + 2 * MINUTE)
    assert (found.is_complete, found.expires) == (False, None)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(capture(OVER, ttlSecondsAfterFinished=90), NOW + 90 * SECOND, id="complete"),
        pytest.param(capture(OVER, ttlSecondsAfterFinished=0), NOW, id="at once"),
        pytest.param(capture(OVER), None, id="stays"),
        pytest.param(capture(ttlSecondsAfterFinished=0), None, id="not complete"),
        pytest.param(
            capture(OVER, generation=2, ttlSecondsAfterFinished=0), None, id="another spec since"
        ),
        pytest.param(
            capture(OVER, metadata={"deletionTimestamp": "2026"}, ttlSecondsAfterFinished=0),
            None,
            id="being deleted",
        ),
    ],
)
def test_a_capture_expires_so_long_after_it_is_complete(document, expected):
    assert expiry(document) == expected


def test_an_expiry_beyond_the_calendar_is_its_end():
    document = capture(OVER, ttlSecondsAfterFinished=2**31 - 1)

    assert expiry(document) == NOW + (2**31 - 1) * SECOND
    assert followed(capture(endTime="9999-12-31T23:59:59Z")).moments[-1].year == 9999


@pytest.mark.parametrize(
    ("before", "now", "is_crossed"),
    [
        pytest.param(NOW - SECOND, NOW, True, id="reached"),
        pytest.param(NOW, NOW + SECOND, False, id="seen already"),
        pytest.param(NOW - MINUTE, NOW - SECOND, False, id="to come"),
        pytest.param(NOW + MINUTE, NOW - MINUTE, True, id="set back before it"),
    ],
)
def test_a_moment_is_crossed_in_either_direction(before, now, is_crossed):
    assert crossed((NOW,), before, now) is is_crossed


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        pytest.param({}, None, id="time changes nothing"),
        pytest.param({"startTime": NOW + SECOND}, NOW + SECOND, id="a start to come"),
        pytest.param({"endTime": NOW + 9 * MINUTE}, NOW + MINUTE, id="an end far away"),
        pytest.param({"startTime": NOW - MINUTE}, NOW + MINUTE, id="a start that is over"),
    ],
)
def test_a_capture_is_looked_at_when_its_time_comes_and_each_minute(times, expected):
    spec = {name: render_time(moment) for name, moment in times.items()}

    assert next_moment(followed(capture(**spec)), NOW) == expected


def test_what_is_overdue_is_looked_at_at_once():
    expired = followed(capture(OVER, ttlSecondsAfterFinished=0, endTime=render_time(NOW)))

    assert next_moment(expired, NOW + MINUTE) == NOW + MINUTE
