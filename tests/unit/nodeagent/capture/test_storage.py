import errno
import os
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from apiserver.jsontypes import JsonObject
from apiserver.resource.filenames import CaptureFile, render
from apiserver.resource.spec.codec import decode_capture
from apiserver.resource.types import CaptureUID, State
from nodeagent.capture import storage as storage_module
from nodeagent.capture.capturerecord import CaptureRecord
from nodeagent.capture.counters import Tally
from nodeagent.capture.plan import RingKey
from nodeagent.capture.storage import CaptureStorage, NewFile
from nodeagent.capture.times import Times
from nodeagent.files.directory import DirectoryError, read_state
from nodeagent.files.memory import FileMemory
from tests.fakes.savefiles import a_record, a_savefile

pytestmark = pytest.mark.blocking_ok

UID = CaptureUID("u1")
KEY = RingKey(UID, "uid-web", "cali1")
ACTIVE = "web_cali1.pcap"
START = int(datetime(2026, 1, 2, 15, 4, 5, tzinfo=UTC).timestamp())


def a_capture():
    metadata: JsonObject = {"namespace": "shop", "name": "http", "uid": UID, "generation": 3}
    return CaptureRecord(decode_capture({"metadata": metadata, "spec": {}}), "store")


def rotated(seconds):
    time = datetime.fromtimestamp(START, UTC) + timedelta(seconds=seconds)
    return render(CaptureFile("web", "cali1", time))


@pytest.fixture
def storage(tmp_path):
    return CaptureStorage(tmp_path)


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "shop" / "http"


@pytest.fixture
def record():
    made = a_capture()
    made.endpoint(KEY, "web")
    return made


def packets_of(directory):
    state = read_state(directory)
    assert state is not None
    return sum(each.report.packets for each in state.endpoints)


async def remember(storage, record, packets):
    """Let a run of the agent have counted so many packets of 6 bytes."""
    await storage.new_file(record, record.endpoints[KEY])
    record.endpoints[KEY].count(Tally(packets, packets * 6))
    await storage.save(record)


async def test_that_packets_were_counted_is_remembered_once_in_a_while(
    tmp_path, directory, record
):
    now = [100.0]
    storage = CaptureStorage(tmp_path, times=Times(stopwatch=lambda: now[0]))
    endpoint = record.endpoints[KEY]
    endpoint.state = State.CAPTURING
    await remember(storage, record, 3)

    remembered = []
    for now[0], packets in ((109.0, 4), (110.0, 5), (119.9, 6), (120.0, 7)):
        endpoint.count(Tally(packets, packets * 6))
        await storage.save(record)
        remembered.append(packets_of(directory))

    assert remembered == [0, 5, 5, 7]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"state": State.FINISHED}, id="it has ended"),
        pytest.param({"state": State.ERROR, "message": "gone"}, id="it has failed"),
    ],
)
async def test_how_it_ended_is_remembered_at_once(storage, directory, record, change):
    endpoint = record.endpoints[KEY]
    endpoint.state = State.CAPTURING
    await remember(storage, record, 3)

    for name, value in change.items():
        setattr(endpoint, name, value)
    await remember(storage, record, 4)
    then = packets_of(directory)
    await remember(storage, record, 5)

    assert (then, packets_of(directory)) == (4, 5)


async def test_an_endpoint_is_remembered_before_its_file_is_written(storage, record, directory):
    file = await storage.new_file(record, record.endpoints[KEY])

    state = read_state(directory)
    assert file == NewFile(directory / ACTIVE, None, ())
    assert state is not None
    assert [each.report.pod_uid for each in state.endpoints] == ["uid-web"]

    later = record.endpoint(RingKey(UID, "uid-db", "cali2"), "db")
    await storage.new_file(record, later)

    state = read_state(directory)
    assert state is not None
    assert [each.report.pod_uid for each in state.endpoints] == ["uid-web", "uid-db"]


async def test_what_is_in_the_way_of_a_new_file_gets_its_rotated_name_and_is_told(
    storage, record, directory
):
    endpoint = record.endpoints[KEY]
    await storage.new_file(record, endpoint)
    (directory / rotated(7)).write_bytes(a_savefile([START + 7]))
    for name in (ACTIVE, "db_cali2.pcap"):
        (directory / name).write_bytes(a_savefile([START, START + 1]))

    found = await storage.new_file(record, endpoint)

    name = rotated(7).replace(".000000Z", ".000001Z")
    assert [(each.name, each.packets) for each in found.rotated] == [(name, 2)]
    assert found.last_rotated == datetime.fromtimestamp(START + 7, UTC).replace(microsecond=1)

    storage.distrust(record)
    (each,) = (await storage.new_file(record, endpoint)).rotated
    assert each.name == rotated(0).replace("web_cali1", "db_cali2")


async def test_what_was_written_until_a_crash_is_counted_and_can_be_read(
    storage, record, directory, tmp_path
):
    await remember(storage, record, 2)
    written = a_savefile([START, START + 1, START + 2])
    (directory / ACTIVE).write_bytes(written + a_record(START + 3)[:-1])
    later = a_capture()

    await CaptureStorage(tmp_path).recall(later)

    total = later.endpoints[KEY].total
    assert (total.packets, total.bytes) == (3, 18)
    assert (directory / ACTIVE).read_bytes() == written
    assert later.file_names == (ACTIVE,)


async def test_what_cannot_be_counted_is_as_it_is_remembered(
    storage, record, directory, monkeypatch, tmp_path
):
    await remember(storage, record, 2)
    (directory / ACTIVE).write_bytes(a_savefile([START, START + 1, START + 2])[:-1])
    monkeypatch.setattr(os, "truncate", refuse)
    later = a_capture()

    with pytest.raises(DirectoryError, match="Read-only file system"):
        await CaptureStorage(tmp_path).recall(later)

    assert later.endpoints[KEY].total.packets == 2
    assert later.directory == str(directory)


def refuse(*_arguments, **_options):
    raise OSError(errno.EROFS, "Read-only file system")


async def test_the_oldest_files_of_an_endpoint_go_once_they_are_remembered(
    storage, record, directory
):
    await storage.new_file(record, record.endpoints[KEY])
    for seconds in range(4):
        (directory / rotated(seconds)).write_bytes(a_savefile([START + seconds] * (seconds + 1)))
    other = rotated(0).replace("cali1", "cali1-2")
    (directory / other).write_bytes(a_savefile([START]))
    record.endpoints[KEY].count(Tally(10, 60))

    removed = await storage.retain(
        record,
        record.endpoints[KEY],
        keep=2,
        known={rotated(0): FileMemory(rotated(0), 1, 6, 7)},
    )

    assert [(each.name, each.packets, each.dropped) for each in removed] == [
        (rotated(0), 1, 7),
        (rotated(1), 2, 0),
    ]
    assert sorted(each.name for each in directory.glob("*.pcap")) == [
        other,
        rotated(2),
        rotated(3),
    ]
    state = read_state(directory)
    assert state is not None
    assert state.endpoints[0].report.packets == 10
    assert await storage.retain(record, record.endpoints[KEY], keep=2, known={}) == ()


async def test_where_nothing_can_be_saved_room_is_made_all_the_same(
    storage, record, directory, monkeypatch
):
    await storage.new_file(record, record.endpoints[KEY])
    (directory / rotated(0)).write_bytes(a_savefile([START]))
    record.endpoints[KEY].count(Tally(1, 6))

    def full(path: Path, _state):
        raise DirectoryError(path, "No space left on device")

    monkeypatch.setattr(storage_module, "write_state", full)

    removed = await storage.expire(record, [rotated(0)], known={})

    assert [each.packets for each in removed] == [1]
    assert not (directory / rotated(0)).exists()


async def test_what_cannot_be_removed_stays_and_raises_nothing(
    storage, record, directory, monkeypatch
):
    await storage.new_file(record, record.endpoints[KEY])
    (directory / rotated(0)).write_bytes(a_savefile([START]))
    monkeypatch.setattr(os, "unlink", refuse)

    assert await storage.expire(record, [rotated(0)], known={}) == ()
    assert (directory / rotated(0)).exists()


async def test_a_memory_that_cannot_be_read_now_is_no_reason_to_begin_anew(
    storage, record, monkeypatch, tmp_path
):
    await remember(storage, record, 2)
    monkeypatch.setattr(Path, "read_bytes", refuse)

    with pytest.raises(DirectoryError):
        await CaptureStorage(tmp_path).recall(a_capture())


@pytest.mark.parametrize(
    ("code", "left"),
    [
        pytest.param(errno.EIO, 2, id="nothing goes"),
        pytest.param(errno.ENOSPC, 1, id="but where there is no room"),
    ],
)
async def test_what_cannot_be_remembered_does_not_go(
    storage, record, directory, monkeypatch, code, left
):
    await storage.new_file(record, record.endpoints[KEY])
    for seconds in range(2):
        (directory / rotated(seconds)).write_bytes(a_savefile([START + seconds]))
    record.endpoints[KEY].count(Tally(2, 12))

    def fail(*_arguments):
        raise DirectoryError(directory, "") from OSError(code, "")

    monkeypatch.setattr(storage_module, "write_state", fail)
    with nullcontext() if left == 1 else pytest.raises(DirectoryError):
        await storage.retain(record, record.endpoints[KEY], keep=1, known={})

    assert len(list(directory.glob("*.pcap"))) == left
