import pytest

from apiserver.cluster.eventdocuments import (
    event_name,
    new_event,
    same_kind,
    series,
    short_note,
)
from apiserver.jsontypes import JsonObject, text_at
from apiserver.resource.status.happenings import Happening
from apiserver.wire.names import subdomain_problems
from tests.fakes.time import NOON

CAPTURE: JsonObject = {
    "metadata": {"namespace": "shop", "name": "web", "uid": "u1", "resourceVersion": "7"}
}


def a_happening(note="", *, reason="Started", action="Capture", kind="Normal"):
    return Happening(kind, reason, action, note)


def test_an_event_says_what_happened_to_which_capture():
    event = new_event(
        CAPTURE, a_happening("pod a"), now=NOON, suffix=255, instance="packetcapture-apiserver-1"
    )

    assert event == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"namespace": "shop", "name": "web.ff"},
        "eventTime": "2026-01-02T12:00:00.000000Z",
        "reportingController": "packetcapture-apiserver",
        "reportingInstance": "packetcapture-apiserver-1",
        "type": "Normal",
        "reason": "Started",
        "action": "Capture",
        "note": "pod a",
        "regarding": {
            "apiVersion": "projectcalico.org/v3",
            "kind": "PacketCapture",
            "namespace": "shop",
            "name": "web",
            "uid": "u1",
            "resourceVersion": "7",
        },
    }


def test_what_kube_apiserver_would_find_too_long_is_cut():
    long = a_happening("n" * 2000, reason="r" * 200, action="a" * 200)

    event = new_event(CAPTURE, long, now=NOON, suffix=1, instance="i" * 200)

    assert [len(text_at(event, each)) for each in ("reason", "action", "reportingInstance")] == [
        128
    ] * 3
    assert len(text_at(event, "note").encode()) <= 1024


@pytest.mark.parametrize(
    ("name", "starts"),
    [
        pytest.param("web", "web.", id="as it is"),
        pytest.param("web.shop-1", "web.shop-1.", id="with points"),
        pytest.param("Web_1", "web-1.", id="capitals and underscores"),
        pytest.param("a..b", "a-b.", id="points in a row"),
        pytest.param("A._-.B", "a-b.", id="signs in a row"),
        pytest.param("ÄÖ", "packetcapture.", id="nothing that can be kept"),
        pytest.param("x" * 253, "xxx", id="the longest"),
        pytest.param("X_" * 126 + "X", "x-x-x", id="the longest that is not valid"),
        pytest.param("x" * 240 + "." + "y" * 12, "xxx", id="cut behind a point"),
    ],
)
def test_every_capture_has_events_with_valid_names(name, starts):
    made = event_name(name, 2**60)

    assert made.startswith(starts)
    assert made.endswith(".1000000000000000")
    assert subdomain_problems(made) == []


@pytest.mark.parametrize(
    ("note", "size"),
    [
        pytest.param("a" * 1024, 1024, id="fits"),
        pytest.param("a" * 1025, 1024, id="one too long"),
        pytest.param("ü" * 600, 1023, id="cut between characters"),
        pytest.param("\udcff", 1, id="no text"),
    ],
)
def test_notes_have_at_most_a_kibibyte(note, size):
    assert len(short_note(note).encode()) == size


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(({"metadata": {"uid": "u2"}}, a_happening()), id="another capture"),
        pytest.param((CAPTURE, a_happening(reason="Stopped")), id="another reason"),
        pytest.param((CAPTURE, a_happening(action="Stop")), id="another action"),
        pytest.param((CAPTURE, a_happening(kind="Warning")), id="another type"),
        pytest.param((CAPTURE, a_happening("5 packets")), id="another note"),
    ],
)
def test_happenings_of_other_kinds(other):
    assert same_kind(*other) != same_kind(CAPTURE, a_happening())


def test_a_series_has_a_count_and_a_time():
    expected = {"count": 3, "lastObservedTime": "2026-01-02T12:00:00.000005Z"}

    assert series(3, NOON.replace(microsecond=5)) == {"series": expected}
