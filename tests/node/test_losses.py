"""Losses on purpose: a reader without a processor, a ring that is too small; all of it is counted.

Every packet that was sent is in a file or was dropped, to the packet; with a limit, where it is not known
of each dropped packet whether it came before the last one, to 0.1 %. More than a million are sent in all.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from nodeagent.capture.allowance import Allowance
from nodeagent.capture.counters import Tally
from nodeagent.capture.ringbudget import SMALLEST_RING_BYTES
from nodeagent.capture.rotation import NEVER, Rotation
from tests.node.conftest import series_of
from tests.support import tshark
from tests.support.captor import Captor, Counted, capturing
from tests.support.flood import flooding
from tests.support.kernelcgroups import little_processor
from tests.support.netns import Pod
from tests.support.savefiles import numbers_in

PACKETS: Final = 200_000
SIZE: Final = 200
TOLERANCE: Final = 0.001
PAUSES: Final = 5
# In which many more packets come than the smallest ring holds.
PAUSE_SECONDS: Final = 0.1

Trouble = Callable[[Captor], AbstractContextManager[None]]


@contextmanager
def paused(captor: Captor) -> Iterator[None]:
    """Stop the reader again and again, as a debugger or a frozen virtual machine does."""
    is_over = threading.Event()

    def pause() -> None:
        for _ in range(PAUSES):
            captor.pause()
            is_over.wait(PAUSE_SECONDS)
            captor.resume()
            is_over.wait(PAUSE_SECONDS / 2)

    thread = threading.Thread(target=pause)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@contextmanager
def starved(captor: Captor) -> Iterator[None]:
    """Let the reader have next to nothing of a processor."""
    with little_processor(captor.pid, percent=1):
        yield


TROUBLES = [pytest.param(paused, id="stopped"), pytest.param(starved, id="starved")]


def lose(
    pod: Pod,
    path: Path,
    trouble: Trouble,
    *,
    allowance: Allowance = Allowance(),  # noqa: B008 - it cannot be changed
    rotation: Rotation = NEVER,
    swaps: int = 0,
) -> tuple[int, Counted]:
    """Capture in trouble; return how many packets were sent, and what was counted."""
    with capturing(
        pod, path, ring_bytes=SMALLEST_RING_BYTES, allowance=allowance, rotation=rotation
    ) as captor:
        with flooding(pod, packets=PACKETS, size=SIZE) as flood, trouble(captor):
            for _ in range(swaps):
                captor.swap()
            sent = flood.wait()[pod]
        return sent, captor.stop()


def check_files(active: Path, counted: Counted) -> list[int]:
    """Check that files hold what was counted, in order; return the numbers of their packets."""
    series = series_of(active)
    numbers = [numbers_in(each) for each in series]
    assert {each.name for each in series} == counted.files.keys()
    for file, found in zip(series, numbers, strict=True):
        assert len(found) == counted.files[file.name].packets == tshark.count_packets(file)
    assert sum(counted.files.values(), Tally()) == counted.total
    whole = [number for each in numbers for number in each]
    assert all(before < after for before, after in pairwise(whole))
    return whole


@pytest.mark.parametrize("trouble", TROUBLES)
def test_what_a_reader_in_trouble_lost_is_counted_to_the_packet(
    pod: Pod, path: Path, trouble: Trouble
):
    sent, counted = lose(pod, path, trouble)

    assert sent == PACKETS
    assert counted.total.dropped_ring > 0
    assert counted.total.packets + counted.total.dropped_ring == sent
    assert counted.total.dropped_writer == 0
    check_files(path, counted)


@pytest.mark.parametrize("trouble", TROUBLES)
def test_it_is_so_over_rotations_and_changes_of_the_filter(pod: Pod, path: Path, trouble: Trouble):
    sent, counted = lose(pod, path, trouble, rotation=Rotation(size=1_000_000), swaps=10)

    assert len(counted.files) >= 3
    assert counted.total.dropped_ring > 0
    assert counted.total.packets + counted.total.dropped_ring == sent
    check_files(path, counted)


def test_a_limit_is_met_to_the_packet_and_what_was_lost_before_it_is_known(pod: Pod, path: Path):
    limit = 20_000
    _, counted = lose(
        pod, path, paused, allowance=Allowance(packets=limit), rotation=Rotation(size=1_000_000)
    )

    assert counted.total.packets == limit
    assert counted.total.dropped_ring > 0
    last = check_files(path, counted)[-1]
    # What was dropped around the last batch may have come after it, and counts all the same.
    assert counted.total.packets + counted.total.dropped_ring >= (last + 1) * (1 - TOLERANCE)
