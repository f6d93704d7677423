"""Sends the cases over connections that live as long as they can, and gathers what comes of them."""

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from tests.bench.fuzz.callers import CALLERS
from tests.bench.fuzz.cases import Case, case
from tests.bench.fuzz.judging import problem
from tests.support.rawhttp import RawAnswer, RawConnection, raw_connection

CONNECTIONS = len(CALLERS)

# No request asks for more than this; a watch is left as soon as it begins.
ANSWER_SECONDS = 20.0

DAMAGED_SECONDS = 0.3

NO_ANSWER = RawAnswer(0)


@dataclass(frozen=True, slots=True)
class Violation:
    """One request, and what was wrong with the answer."""

    case: Case
    what: str
    answer: RawAnswer = NO_ANSWER


@dataclass(slots=True)
class Findings:
    """What came of the cases so far."""

    codes: Counter[int] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)
    slowest: tuple[float, int] = (0.0, 0)

    @property
    def done(self) -> int:
        """How many cases are done."""
        return self.codes.total()


@dataclass(frozen=True, slots=True)
class Plan:
    """Which cases: `count` of them, from number `first` on, or just that one."""

    seed: int
    count: int
    first: int = 0

    def numbers(self, connection: int) -> range:
        """Return what one of the connections sends: the same in every run of a seed."""
        offset = (connection - self.first) % CONNECTIONS
        return range(self.first + offset, self.first + self.count, CONNECTIONS)


class Driver:
    """The client of one server."""

    def __init__(
        self, url: str, callers: Mapping[str, ssl.SSLContext], tell: Callable[[Findings], None]
    ) -> None:
        """`tell` is called after every case."""
        self.findings = Findings()
        self._url = url
        self._callers = callers
        self._tell = tell

    async def run(self, plan: Plan) -> None:
        """Send all cases of a plan."""
        async with asyncio.TaskGroup() as tasks:
            for connection in range(CONNECTIONS):
                tasks.create_task(self._send(plan, connection))

    async def _send(self, plan: Plan, connection: int) -> None:
        caller = self._callers[CALLERS[connection]]
        numbers = iter(plan.numbers(connection))
        number = next(numbers, None)
        while number is not None:
            async with AsyncExitStack() as stack:
                opened = await stack.enter_async_context(raw_connection(self._url, caller))
                lasts = True
                while lasts and number is not None:
                    lasts = await self._try(opened, case(plan.seed, number, connection=connection))
                    number = next(numbers, None)

    async def _try(self, connection: RawConnection, sent: Case) -> bool:
        """Send one case and judge its answer; say whether the connection can be used on."""
        began = time.monotonic()
        answer = await self._answer(connection, sent)
        taken = time.monotonic() - began
        self.findings.slowest = max(self.findings.slowest, (taken, sent.number))
        self.findings.codes[answer.code] += 1
        if answer.code and (what := problem(sent, answer)):
            self._found(sent, what, answer)
        self._tell(self.findings)
        return sent.is_http and bool(answer.code) and not (answer.is_last or answer.is_stream)

    async def _answer(self, connection: RawConnection, sent: Case) -> RawAnswer:
        connection.send(sent.text)
        if sent.is_half:
            return NO_ANSWER
        is_head = sent.method == "HEAD"
        try:
            # What is damaged may wait for more.
            async with asyncio.timeout(ANSWER_SECONDS if sent.is_http else DAMAGED_SECONDS):
                answer = await connection.answer(is_head=is_head)
                while answer.code < 200:
                    answer = await connection.answer(is_head=is_head)
                return answer
        except TimeoutError:
            if sent.is_http:
                self._found(sent, f"no answer within {ANSWER_SECONDS:g} s")
        except (EOFError, OSError) as error:
            if sent.is_http:
                self._found(sent, f"hung up without an answer ({type(error).__name__})")
        return NO_ANSWER

    def _found(self, sent: Case, what: str, answer: RawAnswer = NO_ANSWER) -> None:
        self.findings.violations.append(Violation(sent, what, answer))
