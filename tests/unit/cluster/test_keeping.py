import asyncio
import logging
from datetime import timedelta

import pytest

from apiserver.cluster.keeping import WAITS_FOR_CA, Keeper, Outcome, running, seconds_until
from apiserver.upstream.client import ApiStatusError, UnreachableError
from apiserver.upstream.reflector import Disconnected, Reconnected
from tests.fakes.time import NOON

FINE = Outcome()


class Steps:
    """What a step does, one after the other; the last one again and again."""

    def __init__(self, *outcomes):
        self._outcomes = list(outcomes)
        self.taken = asyncio.Semaphore(0)

    async def __call__(self):
        self.taken.release()
        outcome = self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.fixture
def keeper(time):
    return Keeper("thing", time.timing)


async def test_before_the_first_look_it_is_a_problem(keeper):
    assert keeper.problem == "thing: not seen in the cluster yet"
    assert not keeper.warning


async def test_a_thing_that_is_fine_waits_for_a_wake(keeper, fine):
    steps = Steps(FINE)
    async with running(keeper.run(steps)):
        await steps.taken.acquire()
        await fine(keeper)
        assert steps.taken.locked()

        keeper.wake()

        await steps.taken.acquire()


async def test_a_wake_during_a_step_calls_for_another(keeper):
    steps = Steps(FINE)
    has_begun, may_end = asyncio.Event(), asyncio.Event()

    async def step():
        has_begun.set()
        await may_end.wait()
        return await steps()

    async with running(keeper.run(step)):
        await has_begun.wait()
        keeper.wake()
        may_end.set()

        await steps.taken.acquire()
        await steps.taken.acquire()


async def test_a_thing_with_a_time_of_its_own_is_looked_at_then(keeper, time, fine):
    steps = Steps(Outcome(recheck_seconds=10))
    async with running(keeper.run(steps)):
        await steps.taken.acquire()
        await fine(keeper)
        await time.asleep()

        await time.advance(timedelta(seconds=10))

        await steps.taken.acquire()


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(Outcome(problem="broken"), id="a problem"),
        pytest.param(Outcome(warning="odd"), id="a warning"),
        pytest.param(UnreachableError("away"), id="no cluster"),
        pytest.param(ApiStatusError(403, "Forbidden", "no"), id="a refusal"),
        pytest.param(ApiStatusError(409, "Conflict", "late"), id="a conflict"),
    ],
)
async def test_what_is_wrong_is_tried_again_ever_more_rarely(keeper, time, fine, wrong):
    steps = Steps(wrong, wrong, FINE)
    async with running(keeper.run(steps)):
        for seconds in (0.5, 1.0):
            await steps.taken.acquire()
            await time.asleep()
            assert steps.taken.locked()
            await time.advance(timedelta(seconds=seconds))

        await fine(keeper)


async def test_a_conflict_is_nothing_to_speak_of(keeper, time, caplog):
    caplog.set_level(logging.INFO)
    steps = Steps(ApiStatusError(409, "Conflict", "late"))
    async with running(keeper.run(steps)):
        await steps.taken.acquire()
        await time.asleep()

    assert not caplog.records


async def test_a_cluster_that_goes_away_takes_nothing_away(keeper, until):
    steps = Steps(FINE, UnreachableError("away"))
    async with running(keeper.run(steps)):
        await until(keeper, lambda state: not state.problem)
        keeper.wake()

        await until(keeper, lambda state: state.warning)

    assert keeper.warning == "thing: kube-apiserver: away"
    assert not keeper.problem


async def test_a_cluster_that_never_was_there_is_a_problem(keeper, until):
    steps = Steps(UnreachableError("away"))
    async with running(keeper.run(steps)):
        await until(keeper, lambda state: state.problem)

    assert keeper.problem == "thing: kube-apiserver: away"


async def test_the_same_trouble_is_told_once(keeper, time, caplog):
    caplog.set_level(logging.INFO)
    steps = Steps(Outcome(problem="broken"))
    async with running(keeper.run(steps)):
        for _ in range(5):
            await steps.taken.acquire()
            await time.asleep()
            await time.advance(timedelta(minutes=1))

    assert [each.message for each in caplog.records] == ["not as it should be"]


async def test_trouble_that_is_over_is_told_and_to_be_fine_from_the_first_is_not(
    keeper, time, fine, caplog
):
    caplog.set_level(logging.INFO)
    steps = Steps(FINE, Outcome(warning="odd"), FINE)
    async with running(keeper.run(steps)):
        await fine(keeper)
        assert not caplog.records
        keeper.wake()
        await steps.taken.acquire()
        await time.asleep()
        await time.advance(timedelta(minutes=1))

        await fine(keeper)

    assert [each.message for each in caplog.records] == [
        "not as it should be",
        "as it should be again",
    ]


async def test_what_may_be_read_and_not_watched_is_told(keeper, until, fine):
    async with running(keeper.run(Steps(FINE))):
        keeper.look(Disconnected(ApiStatusError(403, "Forbidden", "no watch")))
        state = await until(keeper, lambda state: state.warning)
        assert state.warning == "thing: its changes are not seen: 403 Forbidden: no watch"

        keeper.look(Reconnected())
        await fine(keeper)


async def test_a_server_may_say_how_long_to_wait(keeper, time):
    steps = Steps(ApiStatusError(429, "TooManyRequests", "later", retry_after=7))
    async with running(keeper.run(steps)):
        await steps.taken.acquire()
        await time.asleep()
        await time.advance(timedelta(seconds=6))
        await asyncio.sleep(0)
        assert steps.taken.locked()

        await time.advance(timedelta(seconds=1))
        await steps.taken.acquire()


async def test_a_fault_of_ours_ends_nothing_and_is_told(keeper, time, fine, until, caplog):
    steps = Steps(KeyError("x"), FINE)
    async with running(keeper.run(steps)):
        await until(keeper, lambda state: "a fault in this program" in state.problem)
        await time.asleep()
        await time.advance(timedelta(minutes=1))

        await fine(keeper)

    assert "a step failed" in caplog.text


async def test_what_is_expected_is_not_logged(keeper, until, caplog):
    caplog.set_level(logging.INFO)
    async with running(keeper.run(Steps(WAITS_FOR_CA))):
        await until(keeper, lambda state: state.problem)

    assert not caplog.records


@pytest.mark.parametrize(
    ("due", "seconds"),
    [
        pytest.param(timedelta(seconds=10), 10, id="soon"),
        pytest.param(timedelta(seconds=-10), 0.5, id="past, and nothing came of it"),
        pytest.param(timedelta(days=10), 60, id="far, and the clock may be set until then"),
    ],
)
def test_the_wait_for_a_time_of_day_is_never_long(due, seconds):
    assert seconds_until(NOON + due, NOON) == seconds
