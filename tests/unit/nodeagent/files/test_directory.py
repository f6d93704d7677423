import errno
import os
import stat

import pytest

from apiserver.agentapi.reports import EndpointReport
from apiserver.resource.types import CaptureUID
from nodeagent.files.directory import (
    DirectoryError,
    open_directory,
    read_state,
    remove_directory,
    write_state,
)
from nodeagent.files.layout import STATE_DRAFT, STATE_FILE
from nodeagent.files.memory import DirectoryState, EndpointMemory


def a_state(uid="u1", *, generation=1, packets=0):
    endpoint = EndpointReport("web", "p1", "cali1", "Capturing", packets=packets)
    memory = EndpointMemory(endpoint, running_seconds=12.5)
    return DirectoryState(CaptureUID(uid), generation, "store", (memory,))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "captures" / "shop" / "web"


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def siblings(path):
    return sorted(each.name for each in path.parent.iterdir())


def test_a_new_directory_is_for_its_owner_alone_and_so_are_its_parents(path):
    umask = os.umask(0)
    try:
        assert open_directory(path, a_state()) == a_state()
    finally:
        os.umask(umask)

    assert [mode(each) for each in (path, path.parent, path.parent.parent)] == [0o700] * 3
    assert mode(path / STATE_FILE) == 0o600


def test_a_directory_remembers_across_runs(path):
    open_directory(path, a_state())
    write_state(path, a_state(generation=4, packets=7))

    assert open_directory(path, a_state()) == a_state(generation=4, packets=7)
    assert read_state(path) == a_state(generation=4, packets=7)


def test_files_of_an_earlier_object_are_set_aside(path):
    open_directory(path, a_state("u1"))
    (path / "web_cali1.pcap").write_text("old")

    assert open_directory(path, a_state("u2")) == a_state("u2")

    assert siblings(path) == ["web", "~u1"]
    assert [each.name for each in path.iterdir()] == [STATE_FILE]
    assert (path.parent / "~u1" / "web_cali1.pcap").read_text() == "old"
    assert read_state(path.parent / "~u1") == a_state("u1")


def test_nothing_that_was_set_aside_is_overwritten(path):
    for uid in ("u1", "u2", "u1", "u3"):
        open_directory(path, a_state(uid))
        (path / "file").touch()

    assert siblings(path) == ["web", "~u1", "~u1.1", "~u2"]


def test_an_empty_directory_is_taken_over(path):
    path.mkdir(parents=True)

    assert open_directory(path, a_state()) == a_state()
    assert siblings(path) == ["web"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="no state"),
        pytest.param(b'{"uid":"u1"', id="no JSON"),
        pytest.param(b"{}", id="no uid"),
        pytest.param(b"[]", id="no object"),
    ],
)
def test_files_of_nobody_are_kept_aside(path, content):
    path.mkdir(parents=True)
    (path / "web_cali1.pcap").write_text("whose?")
    if content is not None:
        (path / STATE_FILE).write_bytes(content)

    assert open_directory(path, a_state("u1")) == a_state("u1")
    assert siblings(path) == ["web", "~unknown"]


def test_a_uid_that_is_no_name_leads_nowhere(path):
    open_directory(path, a_state("../../evil"))

    open_directory(path, a_state("u2"))

    assert siblings(path) == ["web", "~unknown"]


def test_a_state_that_cannot_be_read_is_named(path):
    path.mkdir(parents=True)
    (path / STATE_FILE).write_text("{")

    with pytest.raises(DirectoryError) as caught:
        read_state(path)

    assert caught.value.path == path / STATE_FILE


def test_where_nothing_is_there_is_no_state(path):
    assert read_state(path) is None


def test_a_crash_while_writing_leaves_the_old_state(path):
    open_directory(path, a_state())
    (path / (STATE_FILE + ".draft")).write_text('{"uid":')

    assert read_state(path) == a_state()
    write_state(path, a_state(generation=2))
    assert read_state(path) == a_state(generation=2)


def test_nobody_writes_into_the_directory_of_another(path):
    open_directory(path, a_state("u1"))
    open_directory(path, a_state("u2"))

    with pytest.raises(DirectoryError, match="another object"):
        write_state(path, a_state("u1"))

    assert read_state(path) == a_state("u2")


def test_a_link_in_place_of_a_directory_is_refused(path, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path.parent.mkdir(parents=True)
    path.symlink_to(elsewhere)

    with pytest.raises(DirectoryError):
        open_directory(path, a_state())
    with pytest.raises(DirectoryError):
        remove_directory(path)

    assert list(elsewhere.iterdir()) == []


def test_a_file_in_place_of_a_directory_is_named(path):
    path.parent.mkdir(parents=True)
    path.write_text("")

    with pytest.raises(DirectoryError) as caught:
        open_directory(path, a_state())

    assert caught.value.reason == "Not a directory"


def test_a_directory_goes_as_a_whole_and_links_in_it_lead_nowhere(path, tmp_path):
    open_directory(path, a_state())
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    (path / "link").symlink_to(precious)
    (path / "inner").mkdir()

    remove_directory(path)

    assert siblings(path) == []
    assert (precious / "file").exists()


def test_what_is_gone_is_gone(path):
    remove_directory(path)


@pytest.mark.parametrize("seconds", [None, "12", True, -1.0, []])
def test_a_running_time_that_is_none_counts_as_none(seconds):
    document = a_state().endpoints[0].to_json() | {"runningSeconds": seconds}

    assert EndpointMemory.from_json(document).running_seconds == 0.0


def test_a_removal_that_is_cut_short_leaves_whose_it_was(path, monkeypatch):
    open_directory(path, a_state())
    (path / "web_cali1.pcap").write_bytes(b"packets")

    def die(*_arguments, **_options):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("shutil.rmtree", die)
    with pytest.raises(DirectoryError):
        remove_directory(path)
    left = {each.name for each in path.iterdir()}
    monkeypatch.undo()

    assert "web_cali1.pcap" not in left
    assert read_state(path) == a_state()
    remove_directory(path)
    assert not path.exists()


def test_a_first_state_that_was_not_finished_is_nobody_s_file(path):
    path.mkdir(parents=True)
    (path / STATE_DRAFT).write_bytes(b"{")

    open_directory(path, a_state())

    assert siblings(path) == [path.name]
