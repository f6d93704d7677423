"""Watch events on their lines, in the forms that clients ask for."""

from datetime import UTC, datetime

import orjson
import pytest

from apiserver.registry.observations import Event
from apiserver.server.frames import Frames, Shape
from apiserver.server.responses import Renderer
from apiserver.storage.interface import Revision, Stored
from apiserver.wire.negotiation import BodyMedia, Form, Representation
from apiserver.wire.table import IncludeObject
from apiserver.wire.watch import EventType

NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)
OBJECT = Shape(Representation(BodyMedia.JSON))
PARTIAL = Shape(Representation(BodyMedia.JSON, Form.PARTIAL))
TABLE = Shape(Representation(BodyMedia.JSON, Form.TABLE))
MARK = Event(EventType.BOOKMARK, Revision(9), ends_initial_events=True)


@pytest.fixture
def frames(registry):
    return Frames(registry, Renderer(registry, clock=lambda: NOW))


@pytest.fixture
def added(registry):
    document = {
        "metadata": {
            "name": "http",
            "namespace": "shop",
            "creationTimestamp": "2026-01-02T14:59:00Z",
        },
        "spec": {"selector": "all()"},
    }
    stored = Stored("/g/r/shop/http", registry.documents.encode(document), Revision(7))
    return Event(EventType.ADDED, stored.revision, stored)


def read(line):
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    return orjson.loads(line)


def test_an_object_is_told_as_it_is_read(frames, added, registry):
    told = read(frames.encoder(OBJECT)(added))

    assert told == {"type": "ADDED", "object": registry.documents.decode(added.stored)}


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(OBJECT, id="object"),
        pytest.param(PARTIAL, id="metadata"),
        pytest.param(
            Shape(OBJECT.representation, projection=lambda document: {"a": document["kind"]}),
            id="view",
        ),
    ],
)
def test_an_event_is_encoded_once_for_all_who_want_the_same(frames, added, shape):
    assert frames.encoder(shape)(added) is frames.encoder(shape)(added)


def test_what_differs_is_not_shared(frames, added):
    deleted = Event(EventType.DELETED, added.revision, added.stored)
    told = [
        frames.encoder(shape)(event) for shape in (OBJECT, PARTIAL) for event in (added, deleted)
    ]

    assert len(set(told)) == 4


def test_a_metadata_watch_is_told_metadata_and_marks_in_its_form(frames, added):
    encode = frames.encoder(PARTIAL)
    told, mark = read(encode(added))["object"], read(encode(MARK))["object"]

    assert set(told) == {"kind", "apiVersion", "metadata"}
    assert told["metadata"]["resourceVersion"] == "7"
    assert mark == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {
            "resourceVersion": "9",
            "annotations": {"k8s.io/initial-events-end": "true"},
        },
    }


@pytest.mark.parametrize("first", ["event", "mark"])
def test_the_first_frame_of_a_table_watch_has_the_columns(frames, added, first):
    encode = frames.encoder(TABLE)
    order = (added, MARK) if first == "event" else (MARK, added)

    tables = [read(encode(each))["object"] for each in order]

    columns = [each["columnDefinitions"] for each in tables]
    assert (
        len(columns[0]) == len(tables[0]["rows"][0]["cells"]) == len(tables[1]["rows"][0]["cells"])
    )
    assert columns[1] is None


def test_each_table_watch_gets_the_columns(frames, added):
    tables = [read(frames.encoder(TABLE)(added))["object"] for _ in range(2)]

    assert all(each["columnDefinitions"] for each in tables)


def test_a_mark_in_a_table_is_a_row_without_a_name(frames):
    table = read(frames.encoder(TABLE)(MARK))["object"]

    [row] = table["rows"]
    assert table["metadata"] == {"resourceVersion": "9"}
    assert row["cells"][0] == ""
    assert row["object"]["kind"] == "PartialObjectMetadata"
    assert row["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_a_table_watch_may_want_no_objects(frames, added):
    shape = Shape(TABLE.representation, IncludeObject.NONE)

    table = read(frames.encoder(shape)(added))["object"]

    assert table["rows"][0]["object"] is None


def test_a_row_tells_its_age_at_the_time_of_telling(registry, added):
    clock = iter([NOW, NOW.replace(minute=30)])
    frames = Frames(registry, Renderer(registry, clock=lambda: next(clock)))

    first, second = (read(frames.encoder(TABLE)(added))["object"]["rows"][0] for _ in range(2))

    assert ("60s" in first["cells"], "31m" in second["cells"]) == (True, True)


def test_what_existed_before_is_not_kept(frames, added):
    existing = Event(added.type, added.revision, added.stored, is_news=False)
    encode = frames.encoder(OBJECT)

    assert encode(existing) == encode(existing)
    assert encode(existing) is not encode(existing)
