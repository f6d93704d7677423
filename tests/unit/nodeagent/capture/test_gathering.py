"""When a thread rests between rounds, and what ends a rest."""

import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field

import pytest

from nodeagent.capture.commands import Commands
from nodeagent.capture.gathering import GATHER_SECONDS, Gathering, Rest

MIB = 1024 * 1024
ENOUGH = 50


@dataclass
class Handle:
    """A ring of which a word says that it fills up."""

    word: bytearray = field(default_factory=lambda: bytearray(4))

    def mark(self) -> memoryview:
        """Return the word."""
        return memoryview(self.word)


def after(gathering: Gathering, now: float, *rounds: tuple[int, bool]) -> bool:
    """Tell whether a rest follows the last of these rounds: of so many batches, calm or not."""
    may_rest = False
    for batches, is_calm in rounds:
        for _ in range(batches):
            gathering.note(is_calm=is_calm)
        may_rest = gathering.take(now)
    return may_rest


@pytest.mark.parametrize(
    ("rounds", "may_rest"),
    [
        pytest.param([], False, id="nothing yet"),
        pytest.param([(1, True)], False, id="a batch"),
        pytest.param([(ENOUGH, True)], True, id="many in one round"),
        pytest.param([(1, True)] * ENOUGH, True, id="many rounds of one"),
        pytest.param([(ENOUGH, True), (0, True)], False, id="a round without any"),
        pytest.param([(ENOUGH, False)], False, id="what fills blocks"),
        pytest.param(
            [(ENOUGH, True), (1, False), (1, True)], True, id="what filled blocks in another round"
        ),
        pytest.param([(ENOUGH, False), (1, True)], False, id="a pause of what fills blocks"),
    ],
)
def test_a_rest_follows_a_calm_round_where_it_saves_many_batches(
    rounds: list[tuple[int, bool]], may_rest: bool
):
    assert after(Gathering(100.0), 100.0, *rounds) == may_rest


def test_one_ring_that_is_not_calm_is_enough_for_no_rest():
    gathering = Gathering(100.0)
    after(gathering, 100.0, (ENOUGH, True))
    gathering.note(is_calm=False)
    gathering.note(is_calm=True)

    assert not gathering.take(100.0)


def test_what_was_busy_long_ago_rests_no_more():
    gathering = Gathering(100.0)
    after(gathering, 100.0, (ENOUGH, True))

    soon = after(gathering, 100.0 + GATHER_SECONDS, (1, True))
    later = after(gathering, 100.0 + 2 * GATHER_SECONDS, (1, True))

    assert (soon, later) == (True, False)


@pytest.mark.parametrize("smallest", [2 * MIB, 4 * MIB, 8 * MIB, 32 * MIB])
def test_rings_are_looked_at_more_often_for_a_while_after_one_filled_blocks(smallest: int):
    gathering = Gathering(100.0)
    calm = gathering.pause(smallest, 100.0)
    after(gathering, 100.0, (1, False))

    hurried = gathering.pause(smallest, 101.0)

    assert hurried < calm
    assert gathering.pause(smallest, 111.0) == calm


@pytest.mark.parametrize("smallest", [2 * MIB, 8 * MIB, 32 * MIB])
@pytest.mark.parametrize(
    ("is_calm", "rate"), [pytest.param(True, 4e8, id="calm"), pytest.param(False, 1e9, id="busy")]
)
def test_no_ring_is_filled_between_two_looks(smallest: int, is_calm: bool, rate: float):
    gathering = Gathering(100.0)
    after(gathering, 100.0, (1, is_calm))

    pause = gathering.pause(smallest, 100.0)

    assert 0 < pause * rate <= smallest
    assert pause <= GATHER_SECONDS / 20


@pytest.fixture
def commands() -> Iterator[Commands]:
    commands = Commands()
    yield commands
    commands.close()


def seconds_of(rest: Rest, *handles: Handle) -> float:
    began = time.monotonic()
    rest.take(handles, pause=0.001)
    return time.monotonic() - began


def test_a_rest_takes_its_time(commands: Commands):
    assert seconds_of(Rest(commands), Handle(), Handle()) >= GATHER_SECONDS


def test_a_command_ends_a_rest_and_is_still_there(commands: Commands):
    done: Future[str] = commands.submit(lambda future: future.set_result("done"))

    seconds = seconds_of(Rest(commands), Handle())
    commands.perform()

    assert seconds < GATHER_SECONDS
    assert done.result(timeout=0) == "done"


def test_a_ring_that_fills_up_ends_a_rest(commands: Commands):
    filling = Handle()
    filling.word[0] = 1

    assert seconds_of(Rest(commands), Handle(), filling) < GATHER_SECONDS
