import pytest

from nodeagent.felix import FelixParameters, parse_integer


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10000000", 10_000_000),
        ("0", 0),
        ("0x10", 16),
        ("0X1F", 31),
        ("0o17", 15),
        ("017", 15),
        ("0b11", 3),
        ("1_000", 1000),
        ("0x_1f", 31),
        ("+5", 5),
        ("-5", -5),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_an_integer_is_read_as_go_reads_it(text, value):
    assert parse_integer(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " 5",
            "5 ",
            "5.0",
            "1e3",
            "10M",
            "ten",
            "0x",
            "08",
            "0b12",
            "0o8",
            "1__0",
            "_1",
            "1_",
        ),
        *("٣", "9223372036854775808", "0x" + "f" * 17, "9" * 5000),
    ],
)
def test_what_go_does_not_read_is_no_integer(text):
    assert parse_integer(text) is None


@pytest.mark.parametrize(
    "name", ["FELIX_CaptureMaxFiles", "FELIX_CAPTUREMAXFILES", "felix_capturemaxfiles"]
)
def test_names_are_compared_without_case(name):
    felix = FelixParameters({name: "7"})

    assert felix.integer("CaptureMaxFiles", 2) == 7
    assert felix.warnings == []


@pytest.mark.parametrize(
    "environment", [{}, {"FELIX_CaptureMaxFiles": ""}, {"CaptureMaxFiles": "7"}]
)
def test_what_is_not_said_has_its_default(environment):
    felix = FelixParameters(environment)

    assert felix.integer("CaptureMaxFiles", 2) == 2
    assert felix.text("CaptureDir", "/var/log/calico/pcap") == "/var/log/calico/pcap"
    assert felix.warnings == []


@pytest.mark.parametrize("value", ["many", "0", "-1", "2.5"])
def test_what_cannot_be_taken_falls_back_and_is_said(value):
    felix = FelixParameters({"FELIX_CaptureMaxFiles": value})

    assert felix.integer("CaptureMaxFiles", 2) == 2
    assert felix.warnings == [f"FELIX_CAPTUREMAXFILES={value!r} is no integer from 1 on: it is 2"]
