import os

import pytest

from nodeagent.files.directory import DirectoryError
from nodeagent.files.survey import measure, survey

ROTATED = "web_cali1-20260102T150405.000000Z.pcap"


def test_every_file_counts_and_only_rotated_ones_may_go(tmp_path):
    for directory in ("shop/http", "shop/~u1", "bank/http"):
        (tmp_path / directory).mkdir(parents=True)
        for name in (ROTATED, "web_cali1.pcap", ".capture.json"):
            (tmp_path / directory / name).write_bytes(b"x" * 5000)
    os.utime(tmp_path / "shop" / "http" / ROTATED, ns=(7, 7))

    found = survey(tmp_path)

    assert len(found.files) == 9
    rotated = sorted((each for each in found.files if each.is_rotated), key=lambda file: file.path)
    assert [(each.namespace, each.directory.name, each.name) for each in rotated] == [
        ("bank", "http", ROTATED),
        ("shop", "http", ROTATED),
        ("shop", "~u1", ROTATED),
    ]
    assert rotated[1].changed_ns == 7
    assert all(each.size >= 5000 for each in found.files)
    assert found.problem == ""
    assert 0 < found.disk.free <= found.disk.total


def test_links_and_what_lies_elsewhere_do_not_count(tmp_path):
    (tmp_path / "shop" / "http" / "inner").mkdir(parents=True)
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "shop" / "file").write_bytes(b"x")
    (tmp_path / "shop" / "http" / "inner" / "file").write_bytes(b"x")
    (tmp_path / "shop" / "http" / "link").symlink_to(tmp_path / "file")
    (tmp_path / "shop" / "linked").symlink_to(tmp_path / "shop" / "http" / "inner")

    assert survey(tmp_path).files == ()


def test_a_directory_that_is_not_made_yet_has_the_room_of_the_one_it_will_be_in(tmp_path):
    found = survey(tmp_path / "var" / "pcap")

    assert found.files == ()
    assert found.disk.total == measure(tmp_path).total > 0


def test_a_directory_that_cannot_be_listed_is_named_and_the_others_count(tmp_path, monkeypatch):
    for namespace in ("shop", "bank"):
        (tmp_path / namespace / "http").mkdir(parents=True)
        (tmp_path / namespace / "http" / ROTATED).write_bytes(b"x")
    scan = os.scandir

    def fail(path):
        if str(path).endswith("shop/http"):
            raise OSError(5, "Input/output error")
        return scan(path)

    monkeypatch.setattr(os, "scandir", fail)

    found = survey(tmp_path)

    assert [each.namespace for each in found.files] == ["bank"]
    assert found.problem == f"{tmp_path}/shop/http: Input/output error"


def test_a_disk_that_cannot_be_asked_is_named(tmp_path, monkeypatch):
    def fail(_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "statvfs", fail)

    with pytest.raises(DirectoryError, match="Input/output error"):
        survey(tmp_path)
