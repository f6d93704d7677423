"""What a ring holds, told from its memory; the memory is made here as the kernel makes it."""

import struct
from dataclasses import dataclass, field

import pytest

from nodeagent.libpcap.ringview import BLOCK_BYTES, OutOfStepError, RingView, is_any_reached

BLOCKS = 4
HEADER_BYTES = 48
FRAME_OVERHEAD = 96
RECORD_OVERHEAD = 20
ANY = 10**9
SECOND = 10**9


@dataclass
class Ring:
    """A ring of four blocks; packets are numbered, and come a nanosecond after the other."""

    memory: bytearray = field(default_factory=lambda: bytearray(BLOCKS * BLOCK_BYTES))
    blocks: int = 0
    packets: int = 0

    def fill(self, *sizes: int, sequence: int | None = None) -> None:
        """Hand the next block to the user, with packets of these sizes."""
        base = self.blocks % BLOCKS * BLOCK_BYTES
        at = HEADER_BYTES
        for left, size in zip(range(len(sizes) - 1, -1, -1), sizes, strict=True):
            frame = (size + FRAME_OVERHEAD + 7) // 8 * 8
            time = (1, self.packets)
            struct.pack_into(
                "=5I", self.memory, base + at, frame if left else 0, *time, size, size
            )
            at += frame
            self.packets += 1
        self.blocks += 1
        number = self.blocks if sequence is None else sequence
        header = (1, len(sizes), HEADER_BYTES, at, number, 0, 0, 0, 1, self.packets - 1)
        struct.pack_into("=10I", self.memory, base + 8, *header)

    def release(self) -> None:
        """Give all blocks back to the kernel."""
        for block in range(BLOCKS):
            struct.pack_into("=I", self.memory, block * BLOCK_BYTES + 8, 0)

    def view(self) -> RingView:
        """Return a view from the beginning."""
        return RingView(memoryview(self.memory).cast("I"))


def test_an_empty_ring_has_nothing():
    batch = Ring().view().look(ANY, ANY)

    assert (batch.packets, batch.is_cut) == (0, False)


def test_all_blocks_are_seen_at_once_with_the_times_of_their_packets():
    ring = Ring()
    ring.fill(100, 200)
    ring.fill(300)

    batch = ring.view().look(ANY, ANY)

    assert batch.packets == 3
    assert (batch.first_ns, batch.last_ns) == (SECOND, SECOND + 2)
    assert batch.most_bytes >= 600 + 3 * RECORD_OVERHEAD


@pytest.mark.parametrize("most", range(1, 6))
def test_there_are_never_more_packets_than_were_asked_for(most: int):
    ring = Ring()
    ring.fill(100, 200)
    ring.fill(300, 400, 500)

    batch = ring.view().look(most, ANY)

    assert (batch.packets, batch.last_ns) == (most, SECOND + most - 1)


@pytest.mark.parametrize(
    ("room", "packets"),
    [
        pytest.param(119, 0, id="none"),
        pytest.param(120, 1, id="the first"),
        pytest.param(339, 1, id="not quite the second"),
        pytest.param(340, 2, id="the second"),
        pytest.param(660, 3, id="all"),
    ],
)
def test_packets_fit_into_the_room_with_a_tag_each(room: int, packets: int):
    ring = Ring()
    ring.fill(100, 200, 300)

    batch = ring.view().look(ANY, room)

    assert (batch.packets, batch.is_cut) == (packets, not packets)
    assert batch.most_bytes <= room


def test_a_view_goes_on_behind_what_was_taken():
    ring = Ring()
    ring.fill(100, 200, 300)
    ring.fill(400)
    view = ring.view()

    found = []
    while (batch := view.look(ANY, 450)).packets:
        found.append((batch.packets, batch.first_ns - SECOND, batch.last_ns - SECOND))
        view.advance(batch)

    assert found == [(2, 0, 1), (1, 2, 2), (1, 3, 3)]


def test_looking_takes_nothing():
    ring = Ring()
    ring.fill(100)
    view = ring.view()

    assert view.look(ANY, ANY) == view.look(ANY, ANY)


def test_the_ring_goes_round():
    ring = Ring()
    view = ring.view()
    counts = []

    for _ in range(3 * BLOCKS):
        ring.fill(100, 100)
        batch = view.look(ANY, ANY)
        view.advance(batch)
        ring.release()
        counts.append((batch.packets, batch.first_ns - SECOND))

    assert counts == [(2, 2 * number) for number in range(3 * BLOCKS)]


@pytest.mark.parametrize("already_taken", [0, 1])
def test_a_full_ring_is_seen_once(already_taken: int):
    ring = Ring()
    for _ in range(BLOCKS):
        ring.fill(100, 100)
    view = ring.view()
    view.advance(view.look(already_taken, ANY))

    assert view.look(ANY, ANY).packets == 2 * BLOCKS - already_taken


def test_another_block_than_the_next_is_noticed():
    ring = Ring()
    ring.fill(100, sequence=7)

    with pytest.raises(OutOfStepError):
        ring.view().look(ANY, ANY)


def test_what_came_by_its_time_is_calm():
    ring = Ring()
    ring.fill(100, 100)
    view = ring.view()

    view.advance(view.look(ANY, ANY))

    assert view.is_calm


def test_what_filled_a_block_is_not_calm():
    ring = Ring()
    ring.fill(*[BLOCK_BYTES // 4] * 3)
    view = ring.view()

    view.advance(view.look(ANY, ANY))

    assert not view.is_calm


def test_what_is_read_in_parts_is_not_calm():
    ring = Ring()
    ring.fill(100, 100)
    view = ring.view()

    view.advance(view.look(1, ANY))

    assert not view.is_calm


@pytest.mark.parametrize(
    ("most", "room"),
    [
        pytest.param(1, ANY, id="as many packets as were asked for"),
        pytest.param(ANY, 150, id="as large as there was room for"),
    ],
)
def test_what_is_not_all_is_not_calm(most: int, room: int):
    ring = Ring()
    ring.fill(100)
    ring.fill(100)
    view = ring.view()

    view.advance(view.look(most, room))

    assert not view.is_calm


@pytest.mark.parametrize(("waiting", "is_calm"), [(1, True), (BLOCKS // 2, False)])
def test_half_a_ring_is_not_calm(waiting: int, is_calm: bool):
    ring = Ring()
    for _ in range(waiting):
        ring.fill(100)
    view = ring.view()

    view.advance(view.look(ANY, ANY))

    assert view.is_calm == is_calm


def test_a_mark_is_reached_once_more_than_a_quarter_waits():
    ring = Ring()
    ring.fill(100)
    view = ring.view()
    view.advance(view.look(ANY, ANY))
    mark = view.mark()

    ring.fill(100)
    before = is_any_reached([mark])
    ring.fill(100)

    assert not before
    assert is_any_reached([mark])


def test_a_mark_of_a_ring_that_was_never_read_is_reached_by_its_first_block():
    ring = Ring()
    mark = ring.view().mark()

    before = is_any_reached([mark])
    ring.fill(100)

    assert not before
    assert is_any_reached([mark])


def test_one_of_many_marks_is_enough():
    busy, idle = Ring(), Ring()
    marks = [idle.view().mark(), busy.view().mark(), idle.view().mark()]

    before = is_any_reached(marks)
    busy.fill(100)

    assert not before
    assert is_any_reached(marks)
