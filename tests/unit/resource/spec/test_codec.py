from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.resource.spec.codec import (
    UndecodableError,
    canonical_spec,
    decode_capture,
    decode_spec,
    read_spec,
)
from apiserver.resource.types import (
    NO_LIMITS,
    Direction,
    Filter,
    Limits,
    NamedPort,
    PortRange,
    TCPFlags,
)


def test_a_spec_without_anything_selects_all():
    spec, errors = canonical_spec({})

    assert spec == {"selector": "all()"}
    assert errors == []


def test_values_are_stored_in_one_spelling():
    spec, errors = canonical_spec(
        {
            "selector": "app == 'a'",
            "filters": [
                {"protocol": "6", "ports": ["080", "80:80", "6040:6050", "http"]},
                {"protocol": "UDP"},
                {},
                None,
            ],
            "startTime": "2026-01-02T15:04:05.5+01:00",
            "endTime": "2026-01-02T15:04:05Z",
        }
    )

    assert errors == []
    assert spec == {
        "selector": "app == 'a'",
        "filters": [
            {"protocol": 6, "ports": [80, 80, "6040:6050", "http"]},
            {"protocol": "UDP"},
            {},
            {},
        ],
        "startTime": "2026-01-02T14:04:05Z",
        "endTime": "2026-01-02T15:04:05Z",
    }


def test_every_value_that_cannot_be_read_is_named():
    _, errors = canonical_spec(
        {
            "filters": [{"ports": [80, 65536]}, {"protocol": 256, "ports": [True]}],
            "startTime": "tomorrow",
            "endTime": 5,
        }
    )

    assert [error.field for error in errors] == [
        "spec.filters[0].ports[1]",
        "spec.filters[1].protocol",
        "spec.filters[1].ports[0]",
        "spec.startTime",
        "spec.endTime",
    ]


def test_a_spec_becomes_values():
    spec = decode_spec(
        {
            "selector": "app == 'web'",
            "filters": [{"protocol": "TCP", "ports": [80, "8000:8080", "metrics"]}],
            "endTime": "2026-01-02T15:04:05Z",
        }
    )

    assert spec.selector.matches({"app": "web"})
    assert spec.filters == (
        Filter(6, (PortRange(80, 80), PortRange(8000, 8080), NamedPort("metrics"))),
    )
    assert spec.start_time is None
    assert spec.end_time == datetime(2026, 1, 2, 15, 4, 5, tzinfo=UTC)


def test_all_that_means_nothing_is_said_at_once():
    with pytest.raises(UndecodableError) as caught:
        decode_spec({"selector": "app = 'web'", "filters": [{"protocol": "tcp", "ports": [0]}]})

    assert [error.field for error in caught.value.errors] == [
        "spec.selector",
        "spec.filters[0].protocol",
        "spec.filters[0].ports[0]",
    ]
    assert "expected ==" in str(caught.value)


def test_a_capture_keeps_its_identity():
    capture = decode_capture(
        {
            "metadata": {"namespace": "shop", "name": "http", "uid": "u-1", "generation": 3},
            "spec": {},
        }
    )

    assert (capture.namespace, capture.name, capture.uid, capture.generation) == (
        "shop",
        "http",
        "u-1",
        3,
    )


def test_an_empty_filter_rule_of_a_stored_spec_is_passed_over():
    assert decode_spec({"selector": "all()", "filters": [None, {"protocol": 6}]}).filters == (
        Filter(6, ()),
    )


def test_a_capture_that_cannot_be_read_says_every_reason():
    spec: JsonObject = {"selector": "all()", "startTime": "soon", "endTime": "later"}

    with pytest.raises(UndecodableError) as caught:
        decode_capture({"metadata": {"name": "http"}, "spec": spec})

    assert [each.field for each in caught.value.errors] == ["spec.startTime", "spec.endTime"]


def test_what_calico_does_not_have_becomes_values_too():
    spec = decode_spec(
        {
            "selector": "all()",
            "filters": [
                {
                    "srcNets": ["10.0.0.0/8"],
                    "dstNets": ["10.1.2.3"],
                    "direction": "Out",
                    "tcpFlags": ["SYN+!ACK", "RST"],
                    "expression": "greater 100",
                },
                {"protocol": "ICMP", "icmpType": 8},
            ],
            "snapLength": 128,
            "headersOnly": True,
            "limits": {
                "packets": 1000,
                "bytes": "10Mi",
                "duration": "1h30m",
                "files": 3,
                "fileSize": 2_000_000,
                "rotateEvery": "10m",
            },
            "ttlSecondsAfterFinished": 0,
        }
    )

    assert spec.filters == (
        Filter(
            protocol=6,
            src_nets=(ip_network("10.0.0.0/8"),),
            dst_nets=(ip_network("10.1.2.3/32"),),
            direction=Direction.OUT,
            tcp_flags=(TCPFlags(0x02, 0x10), TCPFlags(0x04, 0)),
            expression="greater 100",
        ),
        Filter(protocol=1, icmp_type=8),
    )
    assert (spec.snap_length, spec.headers_only, spec.ttl_seconds) == (128, True, 0)
    assert spec.limits == Limits(
        packets=1000,
        bytes=10 << 20,
        duration=timedelta(minutes=90),
        files=3,
        file_size=2_000_000,
        rotate_every=timedelta(minutes=10),
    )


def test_without_all_that_a_spec_means_what_it_means_to_calico():
    spec = decode_spec({"selector": "all()", "filters": [{"tcpFlags": [], "expression": ""}]})

    assert spec.filters == (Filter(),)
    assert (spec.snap_length, spec.headers_only, spec.ttl_seconds) == (0, False, None)
    assert spec.limits == NO_LIMITS


def test_sizes_and_durations_stay_as_they_were_written():
    limits: JsonObject = {"bytes": "1024Ki", "duration": "90m", "fileSize": 2_000_000}

    spec, errors = canonical_spec({"limits": limits})

    assert errors == []
    assert spec["limits"] == limits


def test_sizes_and_durations_that_cannot_be_read_are_named_and_others_are_not():
    limits: JsonObject = {"bytes": "10MB", "duration": "0s", "fileSize": 1, "rotateEvery": "1d"}

    _, errors = canonical_spec({"limits": limits})

    assert [error.field for error in errors] == ["spec.limits.bytes", "spec.limits.rotateEvery"]


def test_what_is_right_is_read_beside_what_is_wrong():
    spec, errors = read_spec({"selector": "(", "startTime": "soon", "snapLength": 64})

    assert [error.field for error in errors] == ["spec.selector", "spec.startTime"]
    assert (spec.start_time, spec.snap_length) == (None, 64)


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        pytest.param("host example.com", "write the host's address", id="a name"),
        pytest.param(5, "pcap-filter", id="no text"),
    ],
)
def test_an_expression_that_libpcap_must_not_see_is_refused(expression, why):
    with pytest.raises(UndecodableError, match=why) as caught:
        decode_spec({"selector": "all()", "filters": [{}, {"expression": expression}]})

    assert [each.field for each in caught.value.errors] == ["spec.filters[1].expression"]
