from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.resource.filenames import MAX_NAME_BYTES, CaptureFile, parse, render

NOON = datetime(2026, 3, 1, 12, 0, 0, 42, tzinfo=UTC)

pods = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", fullmatch=True)
interfaces = st.from_regex(r"[A-Za-z0-9_.@-]{1,15}", fullmatch=True)
times = st.datetimes(timezones=st.just(UTC))


@pytest.mark.parametrize(
    ("file", "name"),
    [
        pytest.param(
            CaptureFile("web-0", "cali12345678901"), "web-0_cali12345678901.pcap", id="active"
        ),
        pytest.param(
            CaptureFile("web-0", "eth0", NOON),
            "web-0_eth0-20260301T120000.000042Z.pcap",
            id="rotated",
        ),
        pytest.param(
            CaptureFile("a.b", "veth_1.5-x"), "a.b_veth_1.5-x.pcap", id="dots and underscores"
        ),
        pytest.param(CaptureFile("a", "e.pcap"), "a_e.pcap.pcap", id="an interface like a suffix"),
        pytest.param(
            CaptureFile("a", "e", datetime(1, 1, 1, tzinfo=UTC)),
            "a_e-00010101T000000.000000Z.pcap",
            id="year",
        ),
    ],
)
def test_a_name_and_what_it_says(file, name):
    assert render(file) == name
    assert parse(name) == file


def test_a_time_is_rendered_in_utc():
    local = NOON.astimezone(timezone(timedelta(hours=2)))

    assert render(CaptureFile("a", "e", local)) == render(CaptureFile("a", "e", NOON))


def test_a_pod_s_name_that_is_too_long_is_cut_and_told_apart_by_a_digest():
    names = {render(CaptureFile("p" * 252 + last, "cali12345678901", NOON)) for last in "ab"}

    assert len(names) == 2
    for name in names:
        assert name.startswith("p" * 190 + "~")
        assert name.endswith("_cali12345678901-20260301T120000.000042Z.pcap")


@pytest.mark.parametrize("length", [189, 190, 191, 210, 211, 212, 233, 234, 253])
def test_all_files_of_an_endpoint_start_alike(length):
    active = render(CaptureFile("p" * length, "cali12345678901"))
    rotated = render(CaptureFile("p" * length, "cali12345678901", NOON))

    assert rotated.startswith(active.removesuffix(".pcap") + "-")
    assert len(rotated) <= MAX_NAME_BYTES


def test_characters_of_several_bytes_are_not_cut_apart():
    name = render(CaptureFile("ü" * 130, "eth0"))

    assert name.startswith("ü" * 95 + "~")


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "web.pcap",
            "_eth0.pcap",
            "web_.pcap",
            "web_eth0",
            "web_eth0.pcap\n",
            "web_eth0.pcap~",
        ),
        *("a/b_eth0.pcap", "web_../eth0.pcap", "a_b\0.pcap", "state.json", "a_b.PCAP"),
        *("a_e-20261301T000000.000000Z.pcap", "a_e-20260229T000000.000000Z.pcap"),
    ],
)
def test_other_names_say_nothing(name):
    assert parse(name) is None


def test_digits_of_other_scripts_are_no_time():
    found = parse("a_e-2026030\u0661T120000.000042Z.pcap")

    assert found == CaptureFile("a", "e-2026030\u0661T120000.000042Z")


@given(pods, interfaces, st.none() | times)
def test_parse_is_the_inverse_of_render(pod, interface, time):
    file = CaptureFile(pod, interface, time)
    name = render(file)

    found = parse(name)

    assert found is not None
    assert (found.interface, found.rotated_at) == (interface, time)
    assert found.pod == pod or "~" in found.pod
    assert render(found) == name
    assert len(name.encode()) <= MAX_NAME_BYTES


@given(pods, interfaces, times, times)
def test_rotated_names_sort_by_time(pod, interface, first, second):
    names = [render(CaptureFile(pod, interface, time)) for time in sorted((first, second))]

    assert names == sorted(names)


@given(st.text())
def test_any_text_can_be_asked(text):
    found = parse(text)

    assert found is None or found.interface in text
