from datetime import UTC, datetime, timedelta
from os import utime

import pytest

from nodeagent.files.directory import DirectoryError
from nodeagent.files.layout import UnsafeNameError, draft_of
from nodeagent.files.leftovers import (
    count_file,
    cut_excess,
    last_rotation,
    rotate_file,
    rotate_leftovers,
)
from nodeagent.files.memory import FileMemory
from tests.fakes.savefiles import a_file_header, a_record, a_savefile

START = int(datetime(2026, 1, 2, 15, 4, 5, tzinfo=UTC).timestamp())
ACTIVE = "web_cali1.pcap"
ROTATED = "web_cali1-20260102T150405.000000Z.pcap"
NEXT = "web_cali1-20260102T150405.000001Z.pcap"


def names(directory):
    return sorted(each.name for each in directory.iterdir())


def rotated_names(directory, **arguments):
    return tuple(each.name for each in rotate_leftovers(directory, **arguments))


def at(seconds):
    return datetime.fromtimestamp(START + seconds, UTC)


def test_a_leftover_gets_the_time_of_its_first_packet(tmp_path):
    content = a_savefile([START, START + 1])
    (tmp_path / ACTIVE).write_bytes(content)

    assert rotated_names(tmp_path) == (ROTATED,)
    assert (tmp_path / ROTATED).read_bytes() == content
    assert names(tmp_path) == [ROTATED]


def test_what_is_in_a_leftover_is_told(tmp_path):
    torn = a_record(START + 9)[:-1]
    (tmp_path / ACTIVE).write_bytes(a_savefile([START, START + 1, START + 2]) + torn)

    assert rotate_leftovers(tmp_path) == (FileMemory(ROTATED, 3, 18, 0, at(0), at(2)),)
    assert rotate_leftovers(tmp_path) == ()


def test_what_is_in_a_file_can_be_asked_and_its_name_stays(tmp_path):
    whole = a_savefile([START, START + 1])
    (tmp_path / ACTIVE).write_bytes(whole + b"torn")

    assert count_file(tmp_path / ACTIVE) == FileMemory(ACTIVE, 2, 12, 0, at(0), at(1))
    assert (tmp_path / ACTIVE).read_bytes() == whole


def test_a_file_that_is_torn_within_its_first_packet_can_be_read_afterwards(tmp_path):
    (tmp_path / ACTIVE).write_bytes(a_file_header() + a_record(START)[:-1])

    assert count_file(tmp_path / ACTIVE) == FileMemory(ACTIVE)
    assert (tmp_path / ACTIVE).read_bytes() == a_file_header()


def test_a_file_that_is_torn_within_its_header_is_removed(tmp_path):
    (tmp_path / ACTIVE).write_bytes(a_file_header()[:-1])

    assert count_file(tmp_path / ACTIVE) == FileMemory(ACTIVE)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("first", "is_cut"), [pytest.param(0, True, id="it"), pytest.param(1, False, id="another one")]
)
def test_what_is_behind_what_a_file_is_known_to_hold_is_cut_off(tmp_path, first, is_cut):
    known = a_savefile([START, START + 1])
    longer = known + a_record(START + 2)
    (tmp_path / ACTIVE).write_bytes(longer)

    cut_excess(tmp_path / ACTIVE, FileMemory(ACTIVE, 2, 12, 0, at(first), at(1)))

    assert (tmp_path / ACTIVE).read_bytes() == (known if is_cut else longer)


def test_in_a_file_of_another_sort_nothing_is_found(tmp_path):
    (tmp_path / ACTIVE).write_bytes(b"x" * 100)

    assert count_file(tmp_path / ACTIVE) == FileMemory(ACTIVE)


@pytest.mark.parametrize("content", [b"", a_file_header()])
def test_a_draft_that_never_took_the_name_is_removed(tmp_path, content):
    draft_of(tmp_path / ACTIVE).write_bytes(content)

    assert rotate_leftovers(tmp_path) == ()
    assert names(tmp_path) == []


def test_a_draft_with_packets_comes_after_the_file_that_it_was_to_follow(tmp_path):
    (tmp_path / ACTIVE).write_bytes(a_savefile([START, START]))
    draft_of(tmp_path / ACTIVE).write_bytes(a_savefile([START]))

    assert rotated_names(tmp_path) == (ROTATED, NEXT)
    assert (tmp_path / NEXT).read_bytes() == a_savefile([START])


def test_a_draft_of_a_file_that_is_being_written_is_left_alone(tmp_path):
    draft = draft_of(tmp_path / ACTIVE)
    draft.write_bytes(a_file_header())

    assert rotate_leftovers(tmp_path, except_for={ACTIVE}) == ()
    assert draft.exists()


def test_a_torn_packet_is_cut_off(tmp_path):
    (tmp_path / ACTIVE).write_bytes(a_savefile([START, START + 1])[:-3])

    rotate_leftovers(tmp_path)

    assert (tmp_path / ROTATED).read_bytes() == a_savefile([START])


def test_more_than_one_torn_packet_is_not_cut(tmp_path):
    content = a_savefile([START]) + b"\xff" * 300_000
    (tmp_path / ACTIVE).write_bytes(content)

    rotate_leftovers(tmp_path)

    assert (tmp_path / ROTATED).read_bytes() == content


def test_a_file_that_cannot_be_read_from_its_first_packet_on_is_kept(tmp_path):
    content = a_file_header() + b"\xff" * 300_000
    (tmp_path / ACTIVE).write_bytes(content)
    utime(tmp_path / ACTIVE, (START, START))

    assert rotated_names(tmp_path) == (ROTATED,)
    assert (tmp_path / ROTATED).read_bytes() == content


def test_the_last_rotation_of_an_endpoint_is_known(tmp_path):
    assert last_rotation(tmp_path, ACTIVE) is None

    for name in (ACTIVE, ROTATED, NEXT, NEXT.replace("cali1", "cali1-2").replace("2026", "2027")):
        (tmp_path / name).touch()

    assert last_rotation(tmp_path, ACTIVE) == at(0) + timedelta(microseconds=1)
    with pytest.raises(DirectoryError):
        last_rotation(tmp_path / "gone", ACTIVE)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(a_file_header(), id="no packet"),
        pytest.param(a_savefile([START])[:-1], id="the only packet torn"),
    ],
)
def test_a_file_without_packets_is_removed(tmp_path, content):
    (tmp_path / ACTIVE).write_bytes(content)

    assert rotated_names(tmp_path) == ()
    assert names(tmp_path) == []


def test_no_name_is_used_twice(tmp_path):
    (tmp_path / ROTATED).write_text("older")
    (tmp_path / ACTIVE).write_bytes(a_savefile([START]))

    assert rotated_names(tmp_path) == (NEXT,)
    assert (tmp_path / ROTATED).read_text() == "older"


def test_a_clock_that_went_back_does_not_change_the_order(tmp_path):
    (tmp_path / ROTATED).touch()
    (tmp_path / ACTIVE).write_bytes(a_savefile([START - 3600]))

    assert rotated_names(tmp_path) == (NEXT,)


def test_another_endpoint_does_not_matter(tmp_path):
    (tmp_path / NEXT.replace("cali1", "cali2")).touch()
    (tmp_path / ACTIVE).write_bytes(a_savefile([START]))

    assert rotated_names(tmp_path) == (ROTATED,)


def test_a_file_of_another_sort_is_kept_under_its_last_change(tmp_path):
    (tmp_path / ACTIVE).write_bytes(b"x" * 100)
    utime(tmp_path / ACTIVE, (START, START))

    assert rotated_names(tmp_path) == (ROTATED,)
    assert (tmp_path / ROTATED).read_bytes() == b"x" * 100


def test_only_active_files_that_nobody_writes_are_touched(tmp_path):
    for name in (ACTIVE, "web_cali2.pcap"):
        (tmp_path / name).write_bytes(a_savefile([START]))
    for name in (ROTATED, "notes.txt", ".capture.json"):
        (tmp_path / name).touch()

    rotated = rotated_names(tmp_path, except_for={ACTIVE})

    assert rotated == (ROTATED.replace("cali1", "cali2"),)
    assert (tmp_path / ACTIVE).exists()


def test_a_link_is_not_followed(tmp_path):
    target = tmp_path / "target"
    target.write_bytes(a_savefile([START])[:-1])
    (tmp_path / ACTIVE).symlink_to(target)

    with pytest.raises(DirectoryError):
        rotate_file(tmp_path, ACTIVE)

    assert target.read_bytes() == a_savefile([START])[:-1]


def test_a_name_from_elsewhere_leads_nowhere(tmp_path):
    with pytest.raises(UnsafeNameError):
        rotate_file(tmp_path, "../web_cali1.pcap")


def test_a_directory_that_is_gone_is_named(tmp_path):
    with pytest.raises(DirectoryError):
        rotate_leftovers(tmp_path / "gone")
