"""The schema that users read by `kubectl explain`, and that bodies are held against."""

from apiserver.agentapi import EndpointReport
from apiserver.jsontypes import JsonObject, object_at
from apiserver.resource.codec import canonical_spec
from apiserver.resource.schema import kind_schema
from apiserver.resource.status import NodeStatus, merge_node
from apiserver.wire.metaschema import OBJECT_META
from apiserver.wire.schema import prune
from tests.support.documents import as_sent

SCHEMA = kind_schema(OBJECT_META)

SPEC: JsonObject = {
    "selector": "app == 'web'",
    "filters": [{"protocol": "TCP", "ports": [80, "http", "6040:6050"]}],
    "startTime": "2026-01-02T15:00:00Z",
    "endTime": "2026-01-02T16:00:00Z",
}


def properties_of(schema, path=""):
    """Return every property, however deep, by its path."""
    found = {}
    for name, each in schema.get("properties", {}).items():
        found[f"{path}.{name}"] = each
        found |= properties_of(each, f"{path}.{name}")
        found |= properties_of(each.get("items", {}), f"{path}.{name}[]")
    return found


def test_every_field_of_a_spec_is_known():
    pruned = prune({"spec": SPEC}, SCHEMA)

    assert (pruned.unknown, pruned.errors) == ((), ())
    assert pruned.document == {"spec": SPEC}


def test_a_spec_as_it_is_stored_fits_too():
    spec, _ = canonical_spec(SPEC)

    assert prune({"spec": spec}, SCHEMA).document == {"spec": spec}


def test_a_status_as_it_is_stored_fits_and_loses_nothing():
    endpoint = EndpointReport("web", "u", "cali1", "Finished", 1, 2, 3, 4, "EndTime", "the end")
    node = NodeStatus("n1", "boot", 1, 1, "/pcap", (endpoint.to_json(),), ("web_cali1.pcap",))
    status = merge_node({}, node, observed_time="2026-01-02T15:00:00Z")

    pruned = prune({"status": status}, SCHEMA)

    assert (pruned.unknown, pruned.errors) == ((), ())
    assert pruned.document == {"status": status}


def test_every_field_of_spec_and_status_is_explained():
    ours = {name: as_sent(object_at(SCHEMA, "properties"))[name] for name in ("spec", "status")}

    fields = properties_of({"properties": ours})

    assert ".spec.filters[].ports" in fields
    assert [path for path, each in fields.items() if not each.get("description")] == []


def test_lists_that_are_joined_by_key_name_it():
    fields = properties_of(as_sent(SCHEMA))

    assert fields[".status.files"]["x-kubernetes-list-map-keys"] == ["node"]
    assert fields[".status.files[].endpoints"]["x-kubernetes-list-map-keys"] == [
        "podUID",
        "interface",
    ]
