"""Checks the filters of users; libpcap has child processes: a thread in it could not be stopped.

A child takes one filter at a time and lives on for the next one: it takes 50 ms to start, a usual
filter a tenth of one to compile. When the time of a filter is up, its child is killed.
"""

import asyncio
import json
import math
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Final, Self

from apiserver.jsontypes import JsonArray, JsonObject, JsonValue, array_at, integer_at, text_at
from apiserver.pcap.assembly import assemble
from apiserver.pcap.child import Child, CompilerError, start_child
from apiserver.pcap.expressions import (
    NO_EXPRESSIONS,
    Expressions,
    FilterError,
    attempts,
    check_length,
    check_memory,
    with_expressions,
)
from apiserver.pcap.listing import Code, unpacked
from apiserver.resource.filters import Alternative, PacketFilter
from apiserver.resource.types import Direction

DEFAULT_CONCURRENCY: Final = 2

# A filter that takes libpcap longer than this to compile is refused: an answer comes within a second.
COMPILE_SECONDS: Final = 0.7

# How long a filter waits for its turn: somebody's that take long keep nobody waiting without end.
WAIT_SECONDS: Final = 5.0

# Answers that are remembered: the same few filters are asked about again and again.
_REMEMBERED: Final = 1024

# For so long a filter that took too long is not tried again: with less to do it may be fast enough.
_TIMEOUT_REMEMBERED_SECONDS: Final = 60.0


class CompilerBusyError(Exception):
    """Others kept the compiler busy for `waited_seconds`: nothing is known about the filter."""

    def __init__(self, waited_seconds: float) -> None:
        super().__init__("filters of others are being compiled: try again")
        self.waited_seconds = waited_seconds


class _TimeoutError(FilterError):
    """A filter that was not compiled in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"the filter is too complex: compiling it takes more than {seconds:g} seconds"
        )


class FilterCompiler:
    """Compiles at most `concurrency` filters at a time; more wait, each at most `wait_seconds`.

    Children are started when they are needed, and ended with the block.
    """

    def __init__(
        self, concurrency: int = DEFAULT_CONCURRENCY, *, wait_seconds: float = WAIT_SECONDS
    ) -> None:
        self._slots = asyncio.Semaphore(concurrency)
        self._wait_seconds = wait_seconds
        self._idle: list[Child] = []
        # Each with the time until which it holds.
        self._answers: OrderedDict[PacketFilter, tuple[int | FilterError, float]] = OrderedDict()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        while self._idle:
            await self._idle.pop().end()

    async def check(
        self, packet_filter: PacketFilter, *, deadline_seconds: float = COMPILE_SECONDS
    ) -> int:
        """Return how many instructions a filter takes, but for what the word vlan adds on live handles.

        The deadline counts from when a child has time for it. Cancelled, it leaves nothing that runs.

        Raises:
            FilterError: libpcap refuses an expression, or the filter is too complex.
            CompilerError: The compiler could not do its work.
            CompilerBusyError: Others had work for it all the time.
        """
        alternatives = with_expressions(packet_filter)
        if not alternatives:
            return _instructions(packet_filter, {})
        answer = self._remembered(packet_filter)
        if answer is None:
            answer = await self._judge(packet_filter, alternatives, deadline_seconds)
            self._remember(packet_filter, answer)
        if isinstance(answer, FilterError):
            raise FilterError(answer.message, answer.alternative)
        return answer

    async def _judge(
        self,
        packet_filter: PacketFilter,
        alternatives: Mapping[int, Alternative],
        deadline_seconds: float,
    ) -> int | FilterError:
        asked: JsonValue = [
            [list(texts) for texts in attempts(each)] for each in alternatives.values()
        ]
        async with self._slot():
            try:
                answer = await self._compile(json.dumps(asked).encode(), deadline_seconds)
            except TimeoutError:
                return _TimeoutError(deadline_seconds)
        if message := text_at(answer, "error"):
            return FilterError(message, list(alternatives)[integer_at(answer, "alternative")])
        texts = [each.text for each in alternatives.values()]
        programs, largest = (_codes(array_at(answer, name)) for name in ("programs", "largest"))
        try:
            return _instructions(
                packet_filter,
                dict(zip(texts, programs, strict=True)),
                {text: bounds for text, bounds in zip(texts, largest, strict=True) if bounds},
            )
        except FilterError as error:
            return error

    @asynccontextmanager
    async def _slot(self) -> AsyncGenerator[None]:
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._slots.acquire()
        except TimeoutError as error:
            raise CompilerBusyError(self._wait_seconds) from error
        try:
            yield
        finally:
            self._slots.release()

    async def _compile(self, request: bytes, deadline_seconds: float) -> JsonObject:
        async with asyncio.timeout(deadline_seconds):
            if self._idle:
                try:
                    return await self._ask(self._idle.pop(), request, deadline_seconds)
                except CompilerError:
                    # Somebody ended it while nobody looked, as Linux does for its memory.
                    pass
            return await self._ask(await start_child(), request, deadline_seconds)

    async def _ask(self, child: Child, request: bytes, deadline_seconds: float) -> JsonObject:
        try:
            answer = await child.ask(request, cpu_seconds=deadline_seconds)
        except BaseException:
            await child.end()
            raise
        self._idle.append(child)
        return answer

    def _remembered(self, packet_filter: PacketFilter) -> int | FilterError | None:
        answer, until = self._answers.get(packet_filter, (None, math.inf))
        return answer if _now() < until else None

    def _remember(self, packet_filter: PacketFilter, answer: int | FilterError) -> None:
        is_lasting = not isinstance(answer, _TimeoutError)
        until = math.inf if is_lasting else _now() + _TIMEOUT_REMEMBERED_SECONDS
        self._answers[packet_filter] = answer, until
        if len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _codes(alternatives: JsonArray) -> list[list[Code]]:
    """Return the programs of each alternative; none for null."""
    return [
        [unpacked(text) for text in each if isinstance(text, str)]
        if isinstance(each, list)
        else []
        for each in alternatives
    ]


def _instructions(
    packet_filter: PacketFilter, expressions: Expressions, largest: Expressions = NO_EXPRESSIONS
) -> int:
    """Return how long a filter's program is; `largest` are what some of its expressions may become.

    Raises:
        FilterError: That is too long for the kernel, or may be.
    """
    code = assemble(packet_filter, expressions, outgoing_is=Direction.IN)
    check_length(len(code))
    check_memory(code)
    if largest:
        bound = assemble(packet_filter, {**expressions, **largest}, outgoing_is=Direction.IN)
        check_length(len(bound), is_bound=True)
        check_memory(bound, is_bound=True)
    return len(code)
