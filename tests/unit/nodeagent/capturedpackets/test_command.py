"""`captured-packets` as an administrator types it, over directories as an agent leaves them."""

import contextlib
import errno
import io
import os
import resource
import shutil
import sys
import tarfile

import pytest

from apiserver.agentapi.reports import EndpointReport
from apiserver.resource.types import CaptureUID
from nodeagent.capturedpackets.command import main
from nodeagent.capturedpackets.copying import OutputError, open_archive
from nodeagent.capturedpackets.found import open_captures
from nodeagent.files.directory import open_directory
from nodeagent.files.memory import DirectoryState, EndpointMemory, FileMemory
from tests.fakes.savefiles import a_file_header, a_record, a_savefile

ACTIVE = "web_cali1.pcap"
ROTATED = "web_cali1-20260102T150405.000000Z.pcap"


@pytest.fixture
def root(tmp_path):
    made = tmp_path / "pcap"
    made.mkdir()
    return made


@pytest.fixture
def captures(root):
    def make(path, uid="u1", **files):
        directory = root / path
        report = EndpointReport("web", "uid-web", "cali1", "Finished")
        known = EndpointMemory(report, files=(FileMemory(ACTIVE, 8), FileMemory(ROTATED, 9)))
        open_directory(directory, DirectoryState(CaptureUID(uid), 1, "store", (known,)))
        for name, content in ({ACTIVE: a_savefile([1]), ROTATED: a_savefile([2])} | files).items():
            (directory / name).write_bytes(content)
        return directory

    return make


@pytest.fixture
def run(root, capsys):
    def say(*arguments, environment=None):
        flags = () if environment else (f"--capture-dir={root}",)
        code = main([*arguments, *flags], environment or {})
        said = capsys.readouterr()
        return code, said.out, said.err

    return say


def open_member(archive, member):
    found = archive.extractfile(member)
    assert found is not None
    return found


def words(text):
    return [" ".join(line.split()) for line in text.splitlines()]


def test_each_file_has_a_line(run, captures):
    http = captures("default/http")
    captures("shop/http", uid="u2")
    with (http / ACTIVE).open("ab"):
        code, out, _ = run("list", "-a")

    assert code == 0
    assert words(out) == [
        "NAMESPACE CAPTURE POD INTERFACE STATE SIZE PACKETS FIRST PACKET UID",
        "default http web cali1 rotated 46 9 2026-01-02T15:04:05Z u1",
        "default http web cali1 active 46 - 1970-01-01T00:00:01Z u1",
        "shop http web cali1 rotated 46 9 2026-01-02T15:04:05Z u2",
        "shop http web cali1 finished 46 8 1970-01-01T00:00:01Z u2",
    ]


def test_what_a_line_cannot_say_is_a_dash(run, root):
    (root / "default" / "http").mkdir(parents=True)
    (root / "default" / "http" / ACTIVE).write_bytes(b"")

    _, out, _ = run("list")

    assert words(out)[1] == "default http web cali1 finished 0 - - -"


def test_files_of_a_deleted_object_are_listed_under_its_uid(run, captures):
    captures("default/~u0", uid="u0")

    _, out, _ = run("list", "~u0")

    assert [line.split()[1] for line in out.splitlines()[1:]] == ["~u0", "~u0"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(["list"], 0, "No capture files found in namespace default.\n", id="list"),
        pytest.param(
            ["list", "tcp"],
            1,
            "No capture files found for tcp in namespace default.\n",
            id="a name",
        ),
        pytest.param(["copy", "tcp", "-a"], 1, "No capture files found for tcp.\n", id="copy"),
        pytest.param(
            ["clean", "tcp", "-n", "shop"],
            1,
            "No capture files found for tcp in namespace shop.\n",
            id="clean",
        ),
        pytest.param(
            ["copy", "../http"],
            1,
            "No capture files found for ../http in namespace default.\n",
            id="a path is no name",
        ),
    ],
)
def test_where_there_is_nothing_it_says_so(run, arguments, code, said):
    assert run(*arguments) == (code, "", said)


@pytest.mark.parametrize("flag", ["-d", "--dest", "--destination"])
def test_copies_are_made_where_they_are_asked_for(run, captures, tmp_path, flag):
    source = captures("default/http")
    target = tmp_path / "evidence" / "here"

    answer = run("copy", "http", flag, str(target))

    assert answer == (0, f"Copy capture files for default/http to {target}\n", "")
    assert {each.name for each in target.iterdir()} == {ACTIVE, ROTATED}
    for each in target.iterdir():
        assert each.read_bytes() == (source / each.name).read_bytes()
        assert each.stat().st_mode & 0o777 == 0o600


def test_without_a_destination_copies_are_made_here(run, captures, tmp_path, monkeypatch):
    captures("shop/http")
    monkeypatch.chdir(tmp_path)

    assert run("copy", "-n", "shop", "http")[1] == "Copy capture files for shop/http to .\n"
    assert (tmp_path / ACTIVE).exists()


def test_in_all_namespaces_each_has_a_line_and_a_folder(run, captures, tmp_path):
    captures("default/http")
    captures("shop/http")
    captures("shop/dns")
    target = tmp_path / "evidence"

    _, out, _ = run("copy", "http", "-a", "-d", str(target))

    assert out == (
        f"Copy capture files for default/http to {target}\n"
        f"Copy capture files for shop/http to {target}\n"
    )
    assert (target / "default" / ACTIVE).exists()
    assert (target / "shop" / ACTIVE).exists()


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        pytest.param(a_savefile([1, 2]) + a_record(3)[:-1], a_savefile([1, 2]), id="torn"),
        pytest.param(a_file_header()[:10], b"", id="torn in its header"),
        pytest.param(b"no capture at all, but evidence", None, id="not a capture"),
        pytest.param(a_savefile([1]) + b"\xff" * 300_000, None, id="damaged in its middle"),
    ],
)
def test_a_copy_ends_with_a_whole_packet(run, captures, tmp_path, content, kept):
    captures("default/http", **{ACTIVE: content})

    assert run("copy", "http", "-d", str(tmp_path / "to"))[0] == 0
    assert (tmp_path / "to" / ACTIVE).read_bytes() == (content if kept is None else kept)


def test_a_second_copy_takes_the_place_of_the_first_one(run, captures, tmp_path):
    directory = captures("default/http")
    run("copy", "http", "-d", str(tmp_path / "to"))
    (directory / ACTIVE).write_bytes(a_savefile([1, 2, 3]))

    assert run("copy", "http", "-d", str(tmp_path / "to"))[0] == 0
    assert (tmp_path / "to" / ACTIVE).read_bytes() == a_savefile([1, 2, 3])


def test_no_link_is_followed(run, captures, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    directory = captures("default/http")
    (directory / "other_a.pcap").symlink_to(secret)
    (directory / "dir_a.pcap").mkdir()
    os.mkfifo(directory / "pipe_a.pcap")
    (directory.parent / "linked").symlink_to(directory)
    target = tmp_path / "to"
    target.mkdir()
    (target / ACTIVE).symlink_to(secret)

    assert run("copy", "http", "-d", str(target))[0] == 0
    assert {each.name for each in target.iterdir()} == {ACTIVE, ROTATED}
    assert not (target / ACTIVE).is_symlink()
    assert secret.read_bytes() == b"secret"
    assert run("list", "linked")[0] == 1


@pytest.mark.parametrize("below", [".", "default/http", "default/new"])
def test_nothing_is_copied_into_the_capture_directory(run, captures, root, below):
    directory = captures("default/http")
    before = (directory / ACTIVE).stat()

    code, _, said = run("copy", "http", "-d", str(root / below))

    assert (code, said) == (1, f"{root / below} is in the capture directory {root}\n")
    assert (directory / ACTIVE).stat().st_ino == before.st_ino
    assert not (root / "default" / "new").exists()


def test_a_copy_that_fails_leaves_nothing_half_done(run, captures, tmp_path):
    captures("default/http")
    target = tmp_path / "to"
    (target / ACTIVE).mkdir(parents=True)

    code, _, said = run("copy", "http", "-d", str(target))

    assert code == 1
    assert str(target) in said
    assert {each.name for each in target.iterdir()} == {ACTIVE}


def test_an_archive_goes_to_standard_output(captures, root, monkeypatch):
    source = captures("shop/http")
    out, err = io.BytesIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, write_through=True))
    monkeypatch.setattr(sys, "stderr", err)

    code = main(["copy", "http", "-a", "-d", "-", f"--capture-dir={root}"], {})

    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as archive:
        content = {each.name: open_member(archive, each).read() for each in archive}
    assert code == 0
    assert err.getvalue() == "Copy capture files for shop/http to -\n"
    assert content == {f"shop/{name}": (source / name).read_bytes() for name in (ACTIVE, ROTATED)}


def test_a_capture_that_goes_while_others_are_looked_at_is_left_out(captures, root):
    for name in ("a", "b", "c"):
        captures(f"default/{name}")

    found = open_captures(root)
    names = [next(found).name]
    shutil.rmtree(root / "default" / "b")
    names += [each.name for each in found]

    assert names == ["a", "c"]


def test_a_namespace_that_goes_while_others_are_looked_at_is_left_out(captures, root):
    for namespace in ("a", "b", "c"):
        captures(f"{namespace}/http")

    found = open_captures(root)
    names = [next(found).namespace]
    shutil.rmtree(root / "b")
    names += [each.namespace for each in found]

    assert names == ["a", "c"]


class _Full(io.RawIOBase):
    """What a disk without room or a reader that is gone is to a writer."""

    def writable(self):
        return True

    def write(self, _):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["list", "-a"], id="list"),
        pytest.param(["clean", "http", "-a"], id="clean"),
        pytest.param(["copy", "http", "-a", "-d", "-"], id="copy to an archive"),
    ],
)
def test_an_output_that_cannot_be_written_is_a_failure_and_said_once(
    captures, root, capsys, monkeypatch, arguments
):
    captures("default/http")
    captures("shop/http")
    output = io.TextIOWrapper(io.BufferedWriter(_Full()))
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", output)
        code = main([*arguments, f"--capture-dir={root}"], {})

    said = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("Copy")]
    assert code == 1
    assert len(said) == 1
    assert said[0].endswith("No space left on device")


def test_an_archive_whose_file_cannot_be_read_to_its_end_is_given_up(captures, root):
    captures("default/http")
    out, found = io.BytesIO(), open_captures(root)

    with (
        next(found).open(ACTIVE) as source,
        pytest.raises(OutputError, match=f"{ACTIVE}: unexpected end of data"),
        open_archive(out) as archive,
    ):
        archive.add(ACTIVE, source, source.status.st_size + 1)

    with (
        tarfile.open(fileobj=io.BytesIO(out.getvalue())) as received,
        pytest.raises(tarfile.ReadError, match="unexpected end of data"),
    ):
        received.getmembers()


@contextlib.contextmanager
def no_room():
    """Let no file of this process grow inside the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_fails_names_the_capture_and_the_file(run, captures, tmp_path):
    captures("default/http")

    with no_room():
        code, _, said = run("copy", "http", "-d", str(tmp_path / "to"))

    assert (code, said) == (1, f"default/http: {ACTIVE}: File too large\n")
    assert not list((tmp_path / "to").iterdir())


def test_files_of_a_capture_that_is_over_are_removed_and_its_memory_stays(run, captures):
    directory = captures("default/http")
    (directory / "notes.txt").touch()
    neighbour = captures("default/dns", uid="u2")

    assert run("clean", "http") == (0, "Clean capture files for default/http\n", "")
    assert {each.name for each in directory.iterdir()} == {".capture.json", "notes.txt"}
    assert (neighbour / ACTIVE).exists()
    assert run("list", "http")[0] == 1


def test_of_a_deleted_object_everything_is_removed(run, captures, root):
    captures("default/~u0", uid="u0")

    assert run("clean", "~u0")[0] == 0
    assert not list((root / "default").iterdir())


def test_a_directory_of_nobody_is_removed_with_its_files(run, captures, root):
    directory = captures("default/http")
    (directory / ".capture.json").unlink()

    assert run("clean", "http")[0] == 0
    assert not directory.exists()


@pytest.mark.parametrize("name", [ACTIVE, ROTATED])
def test_what_is_being_written_is_left_alone(run, captures, name):
    directory = captures("default/http")
    over = captures("shop/http")
    with (directory / name).open("ab"):
        answer = run("clean", "http", "-a")

    assert answer == (
        3,
        "Clean capture files for shop/http\n",
        f"default/http: {name} is being written\n",
    )
    assert {each.name for each in directory.iterdir()} == {".capture.json", ACTIVE, ROTATED}
    assert not (over / ACTIVE).exists()


def test_links_are_removed_and_not_followed(run, captures, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    directory = captures("default/http")
    (directory / "other_a.pcap").symlink_to(secret)
    (directory / "dir_a.pcap").mkdir()

    assert run("clean", "http")[0] == 0
    assert {each.name for each in directory.iterdir()} == {".capture.json", "dir_a.pcap"}
    assert secret.read_bytes() == b"secret"


def test_a_directory_that_cannot_be_read_is_named(run, root):
    root.rmdir()

    assert run("list") == (1, "", f"{root}: No such file or directory\n")


def test_felixs_variable_says_where_captures_are(run, captures, root):
    captures("default/http")

    code, out, _ = run("list", environment={"Felix_CaptureDir": str(root)})

    assert (code, len(out.splitlines())) == (0, 3)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="no command"),
        pytest.param(["copy"], id="no name"),
        pytest.param(["clean", "-a"], id="no name in any namespace"),
        pytest.param(["list", "-n", "shop", "-a"], id="one and all"),
        pytest.param(["clean", "http", "-d", "x"], id="a destination for nothing"),
    ],
)
def test_a_command_line_that_cannot_be_understood_is_refused(run, arguments):
    with pytest.raises(SystemExit) as caught:
        run(*arguments)

    assert caught.value.code == 2


def test_the_help_tells_every_exit_status(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])

    said = capsys.readouterr().out
    assert [line[:4] for line in said.splitlines() if line[2:3].isdigit()] == [
        f"  {code} " for code in (0, 1, 2, 3)
    ]
