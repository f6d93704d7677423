"""Keeping one thing as it should be: look, act, wait for a change or for its time, again.

Level-triggered: a step looks at everything anew, so that it matters little what woke it, and a wake
too many costs one look. What goes wrong is said and tried again, and ends nothing.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Final, NoReturn, TypeAlias

from apiserver.cluster.latest import Latest, T
from apiserver.serving.clock import Clock, utc_now
from apiserver.upstream.backoff import Backoff, Jitter
from apiserver.upstream.client import ApiStatusError, Client, UpstreamError
from apiserver.upstream.reflector import (
    Collection,
    Disconnected,
    Observation,
    Sleep,
    reflecting,
)

log = logging.getLogger(__name__)

# A sleeping process does not notice that the clock is set: no wait for a time of day is longer. Nor is
# one shorter than this, so that a time that is over and cannot be helped does not keep us busy.
LONGEST_WAIT_SECONDS: Final = 60.0
SHORTEST_WAIT_SECONDS: Final = 0.5
WAITING: Final = "not seen in the cluster yet"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a step left things.

    `problem`: it cannot be used, and this is why and what to do. `warning`: it can be used, and
    something about it cannot be kept. With either, the step is tried again after a while; without,
    after `recheck_seconds`, or when something changes. What `is_expected` needs nobody's attention.
    """

    problem: str = ""
    warning: str = ""
    recheck_seconds: float | None = None
    is_expected: bool = False

    @property
    def is_fine(self) -> bool:
        """Tell whether there is nothing to say."""
        return not self.problem and not self.warning


WAITS_FOR_CA: Final = Outcome(problem="waits for the CA", is_expected=True)

Step: TypeAlias = Callable[[], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Timing:
    """What keepers know of time: what it is, how to let it pass, and chance."""

    clock: Clock = utc_now
    sleep: Sleep = asyncio.sleep
    jitter: Jitter = random.uniform


REAL_TIME: Final = Timing()


@dataclass(frozen=True, slots=True)
class State:
    """What there is to say about a thing, as people read it; both are empty when all is well."""

    problem: str
    warning: str


class Keeper:
    """One thing that is kept; whoever wants to know how it is may follow `state`.

    `problem` says why it cannot be used and what to do, `warning` what could not be kept of what can
    be used.
    """

    def __init__(self, thing: str, timing: Timing) -> None:
        self.thing = thing
        self.state: Latest[State] = Latest()
        self._sleep = timing.sleep
        self._backoff = Backoff(timing.jitter)
        self._woken = asyncio.Event()
        self._blindness = ""
        self._was_usable = False
        self._is_troubled = False

    @property
    def problem(self) -> str:
        """Why it cannot be used."""
        return self.state.value.problem if self.state.value else f"{self.thing}: {WAITING}"

    @property
    def warning(self) -> str:
        """What could not be kept."""
        return self.state.value.warning if self.state.value else ""

    def wake(self) -> None:
        """Look again."""
        self._woken.set()

    def look(self, observation: Observation) -> None:
        """Look again, because this was seen of what is kept, or because it is out of sight."""
        match observation:
            case Disconnected(ApiStatusError() as refusal):
                self._blindness = f"its changes are not seen: {refusal}"
            case Disconnected():
                # Steps that ask the same server find that out themselves.
                pass
            case _:
                self._blindness = ""
        self.wake()

    async def run(self, step: Step) -> NoReturn:
        """Take steps for ever."""
        while True:
            self._woken.clear()
            await self._until_woken(await self._try(step))

    async def _try(self, step: Step) -> float | None:
        """Take one step and return the seconds until the next, None where only a wake calls for it."""
        wanted = 0.0
        try:
            outcome = await step()
        except ApiStatusError as error:
            if error.code == HTTPStatus.CONFLICT:
                # Somebody was faster; what they made of it is seen by the next step.
                return self._backoff.next_delay()
            wanted = float(error.retry_after)
            outcome = self._failed(error)
        except UpstreamError as error:
            outcome = self._failed(error)
        except Exception:
            # A fault of ours that one odd document brings to light must not end everything else.
            log.exception("a step failed", extra={"thing": self.thing})
            outcome = Outcome(problem="a fault in this program, which its log tells of")
        if outcome.is_fine and self._blindness:
            outcome = Outcome(warning=self._blindness)
        self._tell(outcome)
        if not outcome.is_fine:
            return self._backoff.next_delay(at_least=wanted)
        self._backoff.reset()
        return outcome.recheck_seconds

    def _failed(self, error: UpstreamError) -> Outcome:
        """A cluster that cannot be asked takes nothing away from what is there already."""
        text = f"kube-apiserver: {error}"
        return Outcome(warning=text) if self._was_usable else Outcome(problem=text)

    def _tell(self, outcome: Outcome) -> None:
        self._was_usable = not outcome.problem
        state = State(self._sentence(outcome.problem), self._sentence(outcome.warning))
        if state == self.state.value:
            return
        self.state.replace(state)
        if outcome.is_expected:
            return
        if not outcome.is_fine:
            log.warning("not as it should be", extra={"problem": state.problem or state.warning})
        elif self._is_troubled:
            log.info("as it should be again", extra={"thing": self.thing})
        self._is_troubled = not outcome.is_fine

    def _sentence(self, text: str) -> str:
        return f"{self.thing}: {text}" if text else ""

    async def _until_woken(self, seconds: float | None) -> None:
        if seconds is None:
            await self._woken.wait()
            return
        async with asyncio.TaskGroup() as tasks:
            waits = (tasks.create_task(self._nap(seconds)), tasks.create_task(self._woken.wait()))
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for each in waits:
                each.cancel()

    async def _nap(self, seconds: float) -> None:
        await self._sleep(seconds)


@asynccontextmanager
async def running(*tasks: Coroutine[None, None, object]) -> AsyncGenerator[None]:
    """Run tasks that never end by themselves, for as long as the block lasts."""
    async with asyncio.TaskGroup() as group:
        started = [group.create_task(each) for each in tasks]
        yield
        for each in started:
            each.cancel()


async def watch(keeper: Keeper, client: Client, path: str, name: str) -> None:
    """Wake the keeper whenever the object `name` of the collection at `path` changes, for ever.

    RBAC takes a list or watch with this selector for one of that name alone, so `resourceNames`
    suffices.
    """
    collection = Collection(client, path, {"fieldSelector": f"metadata.name={name}"})
    async with reflecting(collection) as observations:
        async for each in observations:
            keeper.look(each)


async def wake_on(keeper: Keeper, latest: Latest[T]) -> NoReturn:
    """Wake the keeper whenever the value is replaced, for ever."""
    await latest.each(lambda _: keeper.wake())


def seconds_until(due: datetime, now: datetime) -> float:
    """Return how long to wait for a time of day, within the bounds of all such waits."""
    return min(max((due - now).total_seconds(), SHORTEST_WAIT_SECONDS), LONGEST_WAIT_SECONDS)
