"""What a change is to a watcher, found out once for all of them."""

import orjson
import pytest

from apiserver.registry.documents import Documents
from apiserver.registry.observations import Observations
from apiserver.registry.packetcaptures import PACKET_CAPTURES
from apiserver.storage.interface import Change, Revision, Stored
from apiserver.wire.fieldselectors import parse_field_selector
from apiserver.wire.selection import Selection
from apiserver.wire.selectors import parse_label_selector
from apiserver.wire.watch import EventType

KEY = "/g/r/shop/http"
EVERYTHING = None
WEB = Selection(parse_label_selector("app=web"))


class CountingDocuments(Documents):
    """Counts how often an object is parsed."""

    parsed = 0

    def decode(self, stored):
        self.parsed += 1
        return super().decode(stored)


@pytest.fixture
def documents():
    return CountingDocuments(PACKET_CAPTURES)


@pytest.fixture
def observations(documents):
    return Observations(documents)


def value(documents, app, **spec):
    metadata = {"name": "http", "namespace": "shop", "labels": {"app": app}}
    return documents.encode({"metadata": metadata, "spec": spec})


def changed(documents, before, after, revision=7):
    """Return a change from one value of the label to another; None is no object."""
    previous = before and Stored(KEY, value(documents, before), Revision(revision - 1))
    return Change(Revision(revision), KEY, after and value(documents, after), previous)


@pytest.mark.parametrize(
    ("before", "after", "selection", "kind"),
    [
        pytest.param(None, "web", EVERYTHING, EventType.ADDED, id="new"),
        pytest.param("web", "db", EVERYTHING, EventType.MODIFIED, id="changed"),
        pytest.param("web", None, EVERYTHING, EventType.DELETED, id="deleted"),
        pytest.param(None, "web", WEB, EventType.ADDED, id="new and selected"),
        pytest.param("db", "web", WEB, EventType.ADDED, id="enters the selection"),
        pytest.param("web", "web", WEB, EventType.MODIFIED, id="stays in the selection"),
        pytest.param("web", "db", WEB, EventType.DELETED, id="leaves the selection"),
        pytest.param("web", None, WEB, EventType.DELETED, id="selected and deleted"),
        pytest.param("db", "db", WEB, None, id="outside of the selection"),
        pytest.param(None, "db", WEB, None, id="new outside of it"),
        pytest.param("db", None, WEB, None, id="deleted outside of it"),
    ],
)
def test_what_a_change_is(documents, observations, before, after, selection, kind):
    change = changed(documents, before, after)

    event = observations.of(change).event(selection, None)

    assert (event and event.type) is kind
    if event is not None:
        shown = change.previous.value if kind is EventType.DELETED else change.value
        assert event.stored == Stored(KEY, shown, Revision(7))


def test_a_thousand_selections_parse_an_object_once(documents, observations):
    change = changed(documents, "web", "db")
    selections = [Selection(parse_label_selector(f"app!=x{each}")) for each in range(1000)]
    selections.append(Selection(fields=parse_field_selector("metadata.name=http")))

    events = {id(observations.of(change).event(each, None)) for each in selections}

    assert documents.parsed == 2
    assert len(events) == 1


def test_those_who_want_everything_parse_nothing(documents, observations):
    change = changed(documents, "web", "db")

    first, second = (observations.of(change).event(EVERYTHING, None) for _ in range(2))

    assert first is second
    assert documents.parsed == 0


def test_a_view_that_shows_no_change_is_compared_once(documents, observations):
    compared = []

    def spec_only(document):
        compared.append(document)
        return {"metadata": {}, "spec": document["spec"]}

    change = changed(documents, "web", "db")

    told = [observations.of(change).event(EVERYTHING, spec_only) for _ in range(10)]

    assert told == [None] * 10
    assert len(compared) == 2


def test_a_version_alone_is_no_change_to_a_view(documents, observations):
    change = changed(documents, "web", "web")

    assert observations.of(change).event(EVERYTHING, lambda document: document) is None


def test_a_view_is_told_of_what_is_new_or_gone(documents, observations):
    def nothing(_document):
        return {"metadata": {}}

    new, gone = changed(documents, None, "web", 7), changed(documents, "web", None, 8)

    kinds = [observations.of(each).event(EVERYTHING, nothing).type for each in (new, gone)]

    assert kinds == [EventType.ADDED, EventType.DELETED]


def test_changes_of_large_objects_are_not_kept_for_long(documents, observations):
    large = orjson.dumps({"a": "x" * (3 << 20)})
    changes = [Change(Revision(each), KEY, large, None) for each in range(1, 4)]

    first = observations.of(changes[0])

    assert observations.of(changes[0]) is not first
