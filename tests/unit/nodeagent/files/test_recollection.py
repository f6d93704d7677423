from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.agentapi.reports import EndpointReport
from apiserver.microtimes import render_micro_time
from apiserver.resource.filenames import CaptureFile, render
from apiserver.resource.types import CaptureUID
from nodeagent.files.directory import DirectoryError
from nodeagent.files.leftovers import rotate_file
from nodeagent.files.memory import DirectoryState, EndpointMemory, FileMemory
from nodeagent.files.recollection import recollect
from nodeagent.files.retention import list_excess, remove_file
from tests.fakes.savefiles import a_record, a_savefile

START = int(datetime(2026, 1, 2, 15, 4, 5, tzinfo=UTC).timestamp())
PACKET = len(b"packet")
ACTIVE = "web_cali1.pcap"


def at(seconds):
    return datetime.fromtimestamp(START + seconds, UTC)


def text_at(seconds):
    return render_micro_time(at(seconds))


def rotated(seconds, pod="web"):
    return render(CaptureFile(pod, "cali1", at(seconds)))


def an_endpoint(packets=0, *files, uid="p1", pod="web", state="Capturing", expired=0):
    report = EndpointReport(
        pod,
        uid,
        "cali1",
        state,
        packets,
        packets * PACKET,
        expired_packets=expired,
        expired_bytes=expired * PACKET,
    )
    return EndpointMemory(report, files=files)


def a_file(first, last, *, name="", dropped=0):
    count = last - first + 1
    name = name or rotated(first)
    return FileMemory(name, count, count * PACKET, dropped, at(first), at(last))


def write(path, file):
    """Write a file as it is remembered."""
    first = int((file.first_packet_time - at(0)).total_seconds())
    seconds = range(START + first, START + first + file.packets)
    (path / file.name).write_bytes(a_savefile(seconds))


def a_state(*endpoints):
    return DirectoryState(CaptureUID("u1"), 1, "store", endpoints)


def test_what_is_true_stays_and_is_not_read(tmp_path):
    file = a_file(0, 4, dropped=2)
    # As long as it is remembered to be; what is in it would say otherwise.
    length = len(a_savefile(range(5)))
    (tmp_path / file.name).write_bytes(b"x" * length)
    memory = an_endpoint(7, file, expired=2)

    (found,) = recollect(tmp_path, a_state(memory)).endpoints

    times = {"first_packet_time": text_at(0), "last_packet_time": text_at(4)}
    assert found == replace(memory, report=replace(memory.report, **times))


def test_a_file_of_another_length_than_remembered_is_read(tmp_path):
    (tmp_path / rotated(0)).write_bytes(a_savefile([START, START + 1]))

    (found,) = recollect(tmp_path, a_state(an_endpoint(5, a_file(0, 4)))).endpoints

    assert (found.files, found.report.expired_packets) == ((a_file(0, 1),), 3)


def test_what_was_written_after_it_was_remembered_is_counted(tmp_path):
    write(tmp_path, a_file(0, 4))
    write(tmp_path, a_file(5, 6))
    active = a_savefile([START + 7, START + 8])
    (tmp_path / ACTIVE).write_bytes(active + a_record(START + 9)[:-1])

    (found,) = recollect(tmp_path, a_state(an_endpoint(6, a_file(0, 4)))).endpoints

    assert (found.report.packets, found.report.bytes) == (9, 9 * PACKET)
    assert (found.report.expired_packets, found.report.expired_bytes) == (0, 0)
    assert found.files == (a_file(0, 4), a_file(5, 6), a_file(7, 8, name=ACTIVE))
    told = found.report
    assert (told.first_packet_time, told.last_packet_time) == (text_at(0), text_at(8))
    assert (tmp_path / ACTIVE).read_bytes() == active


def test_what_is_gone_has_expired(tmp_path):
    write(tmp_path, a_file(5, 6))

    (found,) = recollect(tmp_path, a_state(an_endpoint(7, a_file(0, 4), a_file(5, 6)))).endpoints

    assert (found.report.packets, found.report.expired_packets) == (7, 5)
    assert found.files == (a_file(5, 6),)


def test_an_older_agents_memory_gets_its_files(tmp_path):
    write(tmp_path, a_file(0, 4))
    (tmp_path / ACTIVE).write_bytes(a_savefile([START + 5]))

    (found,) = recollect(tmp_path, a_state(an_endpoint(6))).endpoints

    assert (found.report.packets, found.report.expired_packets) == (6, 0)
    assert [each.name for each in found.files] == [rotated(0), ACTIVE]


def test_endpoints_have_their_own_files(tmp_path):
    write(tmp_path, a_file(0, 4))
    write(tmp_path, a_file(0, 1, name=rotated(0, pod="db")))
    memories = an_endpoint(5), an_endpoint(2, pod="db"), an_endpoint(3, pod="none")

    found = recollect(tmp_path, a_state(*memories)).endpoints

    assert [each.report.packets for each in found] == [5, 2, 3]
    assert [len(each.files) for each in found] == [1, 1, 0]
    assert [each.report.expired_packets for each in found] == [0, 0, 3]


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_pods_of_one_name_what_is_not_remembered_is_the_running_ones(tmp_path, order):
    write(tmp_path, a_file(0, 4))
    write(tmp_path, a_file(5, 6))
    earlier = an_endpoint(5, a_file(0, 4), uid="p0", state="Finished")
    present = an_endpoint(1, uid="p1")

    found = recollect(tmp_path, a_state(*(earlier, present)[::order])).endpoints[::order]

    assert [each.report.packets for each in found] == [5, 2]
    assert [each.report.expired_packets for each in found] == [0, 0]


def test_of_two_pods_of_one_name_the_earlier_ones_last_file_is_known_under_its_new_name(tmp_path):
    write(tmp_path, a_file(0, 4))
    write(tmp_path, a_file(5, 6, name=ACTIVE))
    earlier = an_endpoint(5, a_file(0, 4, name=ACTIVE), uid="p0", state="Finished")

    found = recollect(tmp_path, a_state(earlier, an_endpoint(0, uid="p1"))).endpoints

    assert [each.files for each in found] == [(a_file(0, 4),), (a_file(5, 6, name=ACTIVE),)]


def test_files_of_endpoints_that_are_in_sums_only_are_not_counted_again(tmp_path):
    write(tmp_path, a_file(0, 4))
    sums = EndpointReport("", "", "", "Finished", packets=5, bytes=30, folded=1)

    found = recollect(tmp_path, a_state(EndpointMemory(sums), an_endpoint(2, pod="db")))

    assert [each.report.packets for each in found.endpoints] == [5, 2]


def test_what_is_no_capture_file_does_not_matter(tmp_path):
    for name in (".capture.json", "notes.txt", ".web_cali1.pcap.next"):
        (tmp_path / name).write_bytes(a_savefile([START]))
    (tmp_path / rotated(0)).write_bytes(b"x" * 100)

    (found,) = recollect(tmp_path, a_state(an_endpoint(0))).endpoints

    assert found == an_endpoint(0)


def test_a_directory_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(DirectoryError):
        recollect(tmp_path / "gone", a_state())


class Agent:
    """An agent with one endpoint, which saves before it removes, and may be killed at any moment."""

    def __init__(self, path):
        self.path = path
        self.captured = 0
        self.expired = 0
        self.files = {}
        self.saved = an_endpoint()

    def capture(self, count):
        active = self.path / ACTIVE
        with active.open("ab") as stream:
            if not stream.tell():
                stream.write(a_savefile([]))
            for _ in range(count):
                stream.write(a_record(START + self.captured))
                self.captured += 1

    def tear(self):
        if (self.path / ACTIVE).exists():
            with (self.path / ACTIVE).open("ab") as stream:
                stream.write(a_record(START)[:-1])

    def save(self):
        self.saved = an_endpoint(self.captured, *self.files.values(), expired=self.expired)

    def rotate(self, *, is_told=True):
        """Rotate; the agent may be killed before the thread that did it is heard."""
        if (self.path / ACTIVE).exists():
            file = rotate_file(self.path, ACTIVE)
            if file is not None and is_told:
                self.files[file.name] = file

    def retain(self, keep, *, until):
        """Remove all but `keep` files, or so many of those before being killed."""
        self.save()
        for name in list_excess(self.path, ACTIVE, keep=keep)[:until]:
            file = remove_file(self.path, name, self.files.pop(name))
            assert file is not None
            self.expired += file.packets


DEEDS = st.one_of(
    st.builds(lambda count: lambda agent: agent.capture(count), st.integers(1, 4)),
    st.builds(lambda: Agent.save),
    st.builds(lambda: Agent.rotate),
    st.builds(lambda keep: lambda agent: agent.retain(keep, until=9), st.integers(0, 2)),
)
LAST_DEEDS = st.one_of(
    DEEDS,
    st.builds(lambda: Agent.tear),
    st.builds(lambda: lambda agent: agent.rotate(is_told=False)),
    st.builds(lambda until: lambda agent: agent.retain(0, until=until), st.integers(0, 2)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(DEEDS, max_size=12), LAST_DEEDS)
def test_no_packet_in_a_file_is_missing_from_the_counters_whenever_the_agent_is_killed(
    deeds, last
):
    with TemporaryDirectory() as directory:
        agent = Agent(Path(directory))
        for deed in (*deeds, last):
            deed(agent)

        (found,) = recollect(agent.path, a_state(agent.saved)).endpoints
        again = recollect(agent.path, a_state(found)).endpoints

    in_files = sum(each.packets for each in found.files)
    assert found.report.packets == agent.captured == in_files + found.report.expired_packets
    assert again == (found,)
    if agent.captured and found.files:
        assert found.report.last_packet_time == text_at(agent.captured - 1)
