import os

import pytest

from apiserver.agentapi.files import FileEntry
from apiserver.resource.types import CaptureUID
from nodeagent.files.catalog import find_directories, list_files, newest_names
from nodeagent.files.directory import DirectoryError, DirectoryState, open_directory

ROTATED = "web_cali1-20260102T150405.000000Z.pcap"


def a_state(uid):
    return DirectoryState(CaptureUID(uid), 1, "store")


def test_capture_files_are_listed_by_name_and_nothing_else(tmp_path):
    for name, size in (("web_cali1.pcap", 30), (ROTATED, 20), ("notes.txt", 1), (".x", 1)):
        (tmp_path / name).write_bytes(b"x" * size)
    (tmp_path / "dir_a.pcap").mkdir()
    (tmp_path / "link_a.pcap").symlink_to(tmp_path / ROTATED)

    found = list_files(tmp_path, {tmp_path / "web_cali1.pcap": 24})

    assert found == (
        FileEntry(ROTATED, "web", "cali1", 20, active=False),
        FileEntry("web_cali1.pcap", "web", "cali1", 24, active=True),
    )


def test_of_many_files_those_written_to_last_are_named_and_all_are_counted(tmp_path):
    for i in range(10):
        path = tmp_path / f"web_cali{i}.pcap"
        path.touch()
        os.utime(path, (1000 - i, 1000 - i))
    (tmp_path / "notes.txt").touch()

    assert newest_names(tmp_path, 3) == (
        ("web_cali0.pcap", "web_cali1.pcap", "web_cali2.pcap"),
        10,
    )
    assert newest_names(tmp_path / "none", 3) == ((), 0)


def test_where_there_is_no_directory_there_are_no_files(tmp_path):
    assert list_files(tmp_path / "none") == ()
    assert find_directories(tmp_path / "none") == ()


def test_what_is_no_directory_is_named(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(DirectoryError) as caught:
        list_files(tmp_path / "file")

    assert caught.value.path == tmp_path / "file"


def test_directories_of_present_and_earlier_objects_are_found(tmp_path):
    open_directory(tmp_path / "shop" / "web", a_state("u1"))
    open_directory(tmp_path / "shop" / "web", a_state("u2"))
    open_directory(tmp_path / "bank" / "web", a_state("u3"))

    found = find_directories(tmp_path)

    assert [(each.path.relative_to(tmp_path).as_posix(), each.state.uid) for each in found] == [
        ("bank/web", "u3"),
        ("shop/web", "u2"),
        ("shop/~u1", "u1"),
    ]


def test_what_is_nobodys_is_not_found(tmp_path):
    (tmp_path / "shop" / "web").mkdir(parents=True)
    (tmp_path / "shop" / "web" / ".capture.json").write_text("{")
    (tmp_path / "shop" / "file").touch()
    (tmp_path / "file").touch()
    open_directory(tmp_path / "elsewhere" / "web", a_state("u1"))
    (tmp_path / "linked").symlink_to(tmp_path / "elsewhere")

    assert [each.path.parent.name for each in find_directories(tmp_path)] == ["elsewhere"]
