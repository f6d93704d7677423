import pytest

from apiserver.jsontypes import JsonObject
from apiserver.registry.documents import Documents
from apiserver.registry.packetcaptures import PACKET_CAPTURES
from apiserver.registry.views import spec_view, wants_spec_view
from apiserver.storage.interface import Revision, Stored
from apiserver.wire.query import parse_query
from apiserver.wire.status import ApiError

DOCUMENTS = Documents(PACKET_CAPTURES)

OBJECT: JsonObject = {
    "apiVersion": "projectcalico.org/v3",
    "kind": "PacketCapture",
    "metadata": {"name": "http", "resourceVersion": "41"},
    "spec": {"selector": "all()"},
    "status": {"packets": 3},
}


def test_an_object_is_stored_without_its_version():
    assert b"resourceVersion" not in DOCUMENTS.encode(OBJECT)


def test_an_object_reads_back_with_the_revision_of_its_write():
    stored = Stored("/key", DOCUMENTS.encode(OBJECT), Revision(42))

    assert DOCUMENTS.decode(stored) == DOCUMENTS.with_revision(OBJECT, Revision(42))


def test_the_place_of_the_version_does_not_depend_on_the_order_of_members():
    shuffled = dict(reversed(OBJECT.items()))
    stored = Stored("/key", DOCUMENTS.encode(shuffled), Revision(42))

    assert DOCUMENTS.decode(stored) == DOCUMENTS.with_revision(OBJECT, Revision(42))


def test_the_view_of_the_spec_has_neither_status_nor_managed_fields():
    metadata: JsonObject = {"name": "http", "managedFields": [{"manager": "kubectl"}]}

    assert spec_view({**OBJECT, "metadata": metadata}) == {
        "apiVersion": "projectcalico.org/v3",
        "kind": "PacketCapture",
        "metadata": {"name": "http"},
        "spec": {"selector": "all()"},
    }


@pytest.mark.parametrize(("query", "wanted"), [("", False), ("view=", False), ("view=spec", True)])
def test_the_view_of_the_spec_is_asked_for_by_its_name(query, wanted):
    assert wants_spec_view(parse_query(query)) is wanted


def test_any_other_view_is_refused_by_its_name():
    with pytest.raises(ApiError, match='"status"') as caught:
        wants_spec_view(parse_query("view=status"))

    assert caught.value.code == 400
