from datetime import UTC, datetime

import pytest

from nodeagent.files.savefile import Content, NotASavefileError, scan
from tests.fakes.savefiles import (
    MICROSECONDS,
    NANOSECONDS,
    a_file_header,
    a_record,
    a_savefile,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.pcap"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "fraction"), [(MICROSECONDS, 250), (NANOSECONDS, 250_999)])
def test_packets_are_counted_and_timed_in_every_variant(path, order, magic, fraction):
    header = a_file_header(magic=magic, order=order)
    records = (
        a_record(1_700_000_000, fraction=fraction, order=order),
        a_record(1_650_000_000, content=b"", order=order),
        a_record(1_600_000_000, content=b"x" * 1500, order=order),
    )
    path.write_bytes(header + b"".join(records))

    assert scan(path) == Content(
        whole_bytes=path.stat().st_size,
        packets=3,
        captured_bytes=1506,
        first_packet_time=datetime(2023, 11, 14, 22, 13, 20, 250, tzinfo=UTC),
        last_packet_time=datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC),
    )


@pytest.mark.parametrize(("count", "step"), [(30_000, 0), (2000, 1), (300, 1499), (60, 65_000)])
def test_a_file_of_many_chunks_is_counted_to_its_end(path, count, step):
    sizes = [60 + number * step % 262_000 for number in range(count)]
    records = [a_record(number, content=b"x" * size) for number, size in enumerate(sizes)]
    path.write_bytes(a_file_header() + b"".join(records) + b"torn")

    found = scan(path)

    assert (found.packets, found.captured_bytes) == (count, sum(sizes))
    assert found.whole_bytes == path.stat().st_size - 4 > 1 << 21
    assert found.last_packet_time == datetime.fromtimestamp(count - 1, UTC)


@pytest.mark.parametrize("cut", range(1, 22))
def test_what_is_torn_is_not_whole(path, cut):
    content = a_savefile([1, 2])
    whole = len(a_savefile([1]))
    path.write_bytes(content[:-cut])

    assert scan(path).whole_bytes == whole


@pytest.mark.parametrize(
    ("content", "whole"),
    [
        pytest.param(b"", 0, id="nothing"),
        pytest.param(a_file_header()[:23], 0, id="half a header"),
        pytest.param(a_file_header(), 24, id="a header alone"),
        pytest.param(a_savefile([1])[:-1], 24, id="the first packet torn"),
    ],
)
def test_a_file_without_a_whole_packet_has_no_times(path, content, whole):
    path.write_bytes(content)

    assert scan(path) == Content(whole)


def test_another_sort_of_file_is_not_read(path):
    path.write_bytes(b"\x0a\x0d\x0d\x0a" + bytes(40))

    with pytest.raises(NotASavefileError):
        scan(path)
