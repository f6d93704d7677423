"""The resource as a CustomResourceDefinition."""

from apiserver.jsontypes import JsonObject, object_at
from apiserver.resource.types import GROUP
from tests.conformance.sidebyside.mirror import (
    MIRROR_GROUP,
    definition,
    mirrored,
    structural,
    unmirrored,
)


def test_it_is_named_as_ours_but_for_the_group():
    spec = object_at(definition(), "spec")

    assert spec["group"] == MIRROR_GROUP
    assert spec["names"] == {
        "plural": "packetcaptures",
        "singular": "packetcapture",
        "kind": "PacketCapture",
        "listKind": "PacketCaptureList",
    }


def test_what_a_definition_does_not_take_is_left_out_everywhere():
    schema: JsonObject = {
        "x-kubernetes-group-version-kind": [],
        "items": {"type": "object", "x-kubernetes-patch-merge-key": "a"},
        "enum": ["a"],
        "x-kubernetes-list-type": "atomic",
    }

    assert structural(schema) == {
        "items": {"type": "object"},
        "enum": ["a"],
        "x-kubernetes-list-type": "atomic",
    }


def test_what_is_said_of_one_group_is_said_of_the_other():
    assert mirrored(f"/apis/{GROUP}/v3") == f"/apis/{MIRROR_GROUP}/v3"
    assert unmirrored(mirrored("{projectcalico. ...")) == "{projectcalico. ..."


def test_quotes_in_hex_are_said_of_the_other_as_well():
    assert unmirrored(MIRROR_GROUP.encode().hex()) == GROUP.encode().hex()
