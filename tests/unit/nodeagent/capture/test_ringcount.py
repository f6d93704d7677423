from pathlib import Path
from types import SimpleNamespace
from typing import Any

from nodeagent.capture.counters import FileCount, Tally
from nodeagent.capture.ringcount import RingCount


def a_count():
    present = SimpleNamespace(path=Path("web_eth0.pcap"), readable_bytes=24)
    files: Any = SimpleNamespace(present=present, first_ns=None, last_ns=None)
    return RingCount(files, is_judging=False)


def test_what_was_dropped_while_a_file_had_no_packet_is_told_of_the_next_one():
    count = a_count()
    count.note_dropped(7)

    count.begin_file(after=None, is_judging=False)
    empty = count.counters().file
    count.note_dropped(9)
    count.begin_file(after=FileCount("one", 24, Tally(), 1, 2), is_judging=False)

    assert (empty.dropped_ring, count.counters().file.dropped_ring) == (7, 0)
    assert count.counters().total.dropped_ring == 9
