import errno
import os
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.resource.filenames import CaptureFile, parse, render
from nodeagent.files.directory import DirectoryError
from nodeagent.files.memory import FileMemory
from nodeagent.files.retention import find_excess, list_excess, remove_file
from tests.fakes.savefiles import a_savefile

START = datetime(2026, 1, 2, 15, 4, 5, tzinfo=UTC)
ACTIVE = "a_eth0.pcap"


def rotated(microseconds, *, pod="a", interface="eth0"):
    return render(CaptureFile(pod, interface, START + timedelta(microseconds=microseconds)))


def test_the_oldest_go_and_the_active_file_is_not_counted():
    names = [rotated(3), ACTIVE, rotated(1), rotated(2), rotated(0)]

    assert find_excess(names, ACTIVE, keep=2) == (rotated(0), rotated(1))
    assert find_excess(names, ACTIVE, keep=4) == ()
    assert find_excess(names, ACTIVE, keep=0) == (rotated(0), rotated(1), rotated(2), rotated(3))


@pytest.mark.parametrize(
    "others",
    [
        pytest.param([rotated(i, interface="eth0-2") for i in range(5)], id="a longer interface"),
        pytest.param([rotated(i, interface="eth01") for i in range(5)], id="one more digit"),
        pytest.param([rotated(i, pod="a-b") for i in range(5)], id="a longer pod"),
        pytest.param(["a_eth0-2.pcap", "a_eth0-20260102.pcap"], id="active files of others"),
        pytest.param(["a_eth0-20261402T150405.000000Z.pcap"], id="a time that is none"),
        pytest.param([f"{rotated(0)}.gz", f".{rotated(0)}.next", "a_eth0"], id="other files"),
    ],
)
def test_names_that_only_begin_alike_are_of_others(others):
    names = [*others, rotated(7), rotated(8)]

    assert find_excess(names, ACTIVE, keep=1) == (rotated(7),)


def test_a_shorter_interface_is_another():
    names = [rotated(0), rotated(1, interface="eth0-2"), rotated(2, interface="eth0-2")]

    assert find_excess(names, "a_eth0-2.pcap", keep=1) == (rotated(1, interface="eth0-2"),)


def test_files_of_pods_with_long_names_are_told_apart():
    long, other = "p" * 252 + "a", "p" * 252 + "b"
    names = [rotated(i, pod=pod) for i in range(2) for pod in (long, other)]

    assert find_excess(names, render(CaptureFile(long, "eth0")), keep=1) == (rotated(0, pod=long),)


ENDPOINTS = [("a", "eth0"), ("a", "eth0-2"), ("a-b", "eth0"), ("b", "eth0"), ("p" * 253, "eth0")]


@given(
    st.sets(st.tuples(st.sampled_from(ENDPOINTS), st.integers(0, 5)), max_size=20),
    st.integers(min_value=0, max_value=6),
)
def test_the_newest_of_one_endpoint_are_kept_and_nothing_of_another_goes(files, keep):
    names = [rotated(time, pod=pod, interface=interface) for (pod, interface), time in files]
    pod, interface = ENDPOINTS[0]

    excess = find_excess(names, render(CaptureFile(pod, interface)), keep=keep)

    ours = sorted(time for endpoint, time in files if endpoint == ENDPOINTS[0])
    assert excess == tuple(rotated(time) for time in ours[: max(0, len(ours) - keep)])
    assert all(parse(name) for name in excess)


def test_what_was_in_a_removed_file_is_told(tmp_path):
    (tmp_path / rotated(0)).write_bytes(a_savefile([1, 2]))

    found = remove_file(tmp_path, rotated(0), None)

    assert found is not None
    assert (found.packets, found.bytes) == (2, 12)
    assert list(tmp_path.iterdir()) == []


def test_what_is_known_is_not_read_again(tmp_path):
    (tmp_path / rotated(0)).write_bytes(b"")
    known = FileMemory(rotated(0), 7, 700)

    assert remove_file(tmp_path, rotated(0), known) == known


def test_what_is_gone_already_was_not_removed(tmp_path):
    assert remove_file(tmp_path, rotated(0), FileMemory(rotated(0), 7)) is None


def test_what_cannot_be_read_goes_all_the_same(tmp_path):
    (tmp_path / rotated(0)).symlink_to(tmp_path / "nowhere")

    assert remove_file(tmp_path, rotated(0), None) == FileMemory(rotated(0))
    assert not os.path.lexists(tmp_path / rotated(0))


def test_what_cannot_be_removed_is_named(tmp_path, monkeypatch):
    path = tmp_path / rotated(0)
    path.write_bytes(a_savefile([1]))

    def refuse(*_arguments, **_options):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "unlink", refuse)

    with pytest.raises(DirectoryError, match="Read-only file system") as caught:
        remove_file(tmp_path, rotated(0), None)

    assert caught.value.path == path
    assert path.exists()


def test_a_directory_is_looked_through(tmp_path):
    for name in (ACTIVE, rotated(0), rotated(1), rotated(0, interface="eth0-2")):
        (tmp_path / name).touch()

    assert list_excess(tmp_path, ACTIVE, keep=1) == (rotated(0),)
    with pytest.raises(DirectoryError):
        list_excess(tmp_path / "gone", ACTIVE, keep=1)


def test_a_link_is_none_of_an_endpoints_files_and_is_not_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere.pcap"
    being_written = a_savefile([1, 2])[:-1]
    elsewhere.write_bytes(being_written)
    link = tmp_path / rotated(0)
    link.symlink_to(elsewhere)
    (tmp_path / rotated(1)).mkdir()
    (tmp_path / rotated(2)).write_bytes(a_savefile([3]))

    assert list_excess(tmp_path, ACTIVE, keep=0) == (rotated(2),)
    assert remove_file(tmp_path, link.name, None) == FileMemory(link.name)
    assert elsewhere.read_bytes() == being_written
    assert not link.is_symlink()


def test_nobody_waits_for_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / rotated(0))

    assert remove_file(tmp_path, rotated(0), None) == FileMemory(rotated(0))
