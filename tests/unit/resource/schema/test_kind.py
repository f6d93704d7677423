"""The schemas that users read by `kubectl explain`, and that bodies are held against."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from apiserver.agentapi.files import FileEntry
from apiserver.agentapi.gaps import Gap
from apiserver.agentapi.reports import CaptureReport, EndpointReport, NodeReport
from apiserver.jsontypes import JsonObject
from apiserver.resource.schema.files import FILE_LIST
from apiserver.resource.schema.kind import kind_schema
from apiserver.resource.schema.reports import report_schema
from apiserver.resource.spec.amounts import byte_size, duration
from apiserver.resource.spec.codec import canonical_spec
from apiserver.resource.spec.tcpflags import parse_tcp_flags
from apiserver.resource.status.merging import NodeStatus, merge_nodes
from apiserver.wire.metaschema import OBJECT_META
from apiserver.wire.schema import prune
from tests.support.documents import as_sent

SCHEMA = kind_schema(OBJECT_META)
REPORT = report_schema(OBJECT_META)

SPEC: JsonObject = {
    "selector": "app == 'web'",
    "filters": [
        {"protocol": "TCP", "ports": [80, "http", "6040:6050"], "tcpFlags": ["SYN+!ACK"]},
        {"srcNets": ["10.0.0.0/8"], "dstNets": ["fd00::1"], "direction": "In"},
        {"protocol": "ICMP", "icmpType": 8, "expression": "greater 100"},
    ],
    "startTime": "2026-01-02T15:00:00Z",
    "endTime": "2026-01-02T16:00:00Z",
    "snapLength": 128,
    "headersOnly": True,
    "limits": {
        "packets": 1,
        "bytes": "10Mi",
        "duration": "1h30m",
        "files": 2,
        "fileSize": 2_000_000,
        "rotateEvery": "10m",
    },
    "ttlSecondsAfterFinished": 0,
}
NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
ENDPOINT = replace(
    EndpointReport("web", "u", "cali1", "Finished", 1, 2, 3, 4, "EndTime", "the end"),
    expired_packets=1,
    expired_bytes=2,
    gaps=(Gap(NOON, NOON, "AgentRestart"),),
    first_packet_time="2026-01-02T11:00:00.000001Z",
    last_packet_time="2026-01-02T12:30:00.000000Z",
    folded=2,
)


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
    node = NodeStatus("n1", "boot", 1, 1, "/pcap", (ENDPOINT.to_json(),), ("web_cali1.pcap",))
    status = merge_nodes({}, [node], observed_time="2026-01-02T15:00:00Z")

    pruned = prune({"status": status}, SCHEMA)

    assert (pruned.unknown, pruned.errors) == ((), ())
    assert pruned.document == {"status": status}


def test_every_field_is_explained():
    fields = {
        f"{name}{path}": each
        for name, schema in [("", SCHEMA), ("files", FILE_LIST), ("report", REPORT)]
        for path, each in properties_of(as_sent(schema)).items()
    }

    assert {".spec.filters[].ports", "files.items[].size", "report.spec.captures"} <= set(fields)
    assert [path for path, each in fields.items() if not each.get("description")] == []


def test_a_list_of_files_fits_and_loses_nothing():
    entry = FileEntry("web_cali1.pcap", "web", "cali1", 24, active=True)
    listed: JsonObject = {
        "kind": "PacketCaptureFileList",
        "apiVersion": "projectcalico.org/v3",
        "metadata": {},
        "items": [{"node": "n1", **entry.to_json()}],
        "unreachableNodes": [{"node": "n2", "reason": "it does not answer"}],
    }

    pruned = prune(listed, FILE_LIST)

    assert (pruned.document, pruned.unknown, pruned.errors) == (listed, (), ())


def test_a_report_fits_and_loses_nothing():
    capture = CaptureReport("shop", "http", "u1", 1, "/pcap", (ENDPOINT,), ("web_cali1.pcap",))
    report: JsonObject = {"spec": NodeReport("n1", "boot", 1, True, (capture,)).to_json()}

    pruned = prune(report, REPORT)

    assert (pruned.document, pruned.unknown, pruned.errors) == (report, (), ())


def test_lists_that_are_joined_by_key_name_it():
    fields = properties_of(as_sent(SCHEMA))

    assert fields[".status.files"]["x-kubernetes-list-map-keys"] == ["node"]
    assert fields[".status.files[].endpoints"]["x-kubernetes-list-map-keys"] == [
        "podUID",
        "interface",
    ]


def test_a_strategic_merge_patch_joins_nodes_and_replaces_what_has_no_single_key():
    fields = properties_of(as_sent(SCHEMA))

    assert fields[".status.files"]["x-kubernetes-patch-strategy"] == "merge"
    assert fields[".status.files"]["x-kubernetes-patch-merge-key"] == "node"
    for each in (".spec.filters", ".spec.filters[].srcNets", ".status.files[].endpoints"):
        assert not [key for key in fields[each] if key.startswith("x-kubernetes-patch")]


def test_what_is_filled_in_is_told():
    fields = properties_of(as_sent(SCHEMA))

    defaults = {
        path: each["default"]
        for path, each in fields.items()
        if "default" in each and not path.startswith(".metadata")
    }

    assert defaults == {".spec": {}, ".spec.selector": "all()", ".status": {}}


@pytest.mark.parametrize(
    ("path", "reader", "values"),
    [
        pytest.param(
            ".spec.limits.bytes",
            byte_size(),
            ["1", "+1", "500k", "10Mi", "1.5Ki", ".5M", "1.", "1e6", "1E3", "2000m", "3E"],
            id="sizes",
        ),
        pytest.param(
            ".spec.limits.duration",
            duration(),
            ["30s", "+5m", "1h30m", "1.5h", ".5s", "500ms", "1us", "1µs", "1μs", "5.m", "1ns"],
            id="durations",
        ),
        pytest.param(
            ".spec.filters[].tcpFlags[]",
            parse_tcp_flags,
            ["SYN", "!ACK", "SYN+!ACK", "!FIN+!SYN+!RST+!PSH+!ACK+!URG+!ECE+!CWR"],
            id="flags",
        ),
    ],
)
def test_what_is_valid_has_the_form_that_is_told(path, reader, values):
    form = items_of(as_sent(SCHEMA), path)["pattern"]

    for value in values:
        reader(value)
    assert [value for value in values if not re.fullmatch(form, value)] == []


def items_of(schema, path):
    """Return the schema at a path; one of an item ends with `[]`."""
    found = properties_of(schema)
    return found[path.removesuffix("[]")]["items"] if path.endswith("[]") else found[path]


def test_bounds_are_told():
    fields = properties_of(as_sent(SCHEMA))

    bounds = {
        path: (each["minimum"], each["maximum"])
        for path, each in fields.items()
        if "minimum" in each and path.startswith(".spec")
    }

    assert bounds == {
        ".spec.snapLength": (0, 262_144),
        ".spec.ttlSecondsAfterFinished": (0, (1 << 31) - 1),
        ".spec.limits.packets": (1, (1 << 63) - 1),
        ".spec.limits.files": (1, 1000),
        ".spec.filters[].icmpType": (0, 255),
    }


def test_what_calico_does_not_have_says_so():
    fields = properties_of(as_sent(SCHEMA)["properties"]["spec"])
    calicos = {".selector", ".filters", ".filters[].protocol", ".filters[].ports"}

    marked = {path for path, each in fields.items() if "An addition" in each["description"]}

    assert marked == set(fields) - calicos - {".startTime", ".endTime"}
