"""Compiles the filters of users in child processes, because a thread in libpcap cannot be stopped.

A child (`apiserver.pcap.compile`), without environment and network, takes one filter at a time and
lives on for the next one: it takes 50 ms to start, a usual filter a tenth of one to compile. When the
time of a filter is up, its child is killed.
"""

import asyncio
import json
import math
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import OrderedDict
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from apiserver.jsontypes import JsonObject, integer_at, text_at
from apiserver.pcap.compile import REQUEST
from apiserver.pcap.program import MAX_EXPRESSION_BYTES, FilterError

DEFAULT_CONCURRENCY: Final = 2

# Answers that are remembered: the same few filters are asked about again and again.
_REMEMBERED: Final = 1024

_PACKAGE_ROOT: Final = Path(__file__).parents[2]


class CompilerError(Exception):
    """The child process failed: nothing is known about the filter. `status` is its exit status."""

    def __init__(self, status: int | None) -> None:
        super().__init__(f"the filter compiler ended with status {status}")
        self.status = status


class FilterCompiler:
    """Compiles at most `concurrency` filters at a time; more wait for as long as their callers do.

    Children are started when they are needed, and ended with the block.
    """

    def __init__(self, concurrency: int = DEFAULT_CONCURRENCY) -> None:
        self._slots = asyncio.Semaphore(concurrency)
        self._idle: list[_Child] = []
        self._answers: OrderedDict[str, JsonObject] = OrderedDict()

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

    async def check(self, expression: str, *, deadline_seconds: float) -> int:
        """Return how many instructions an expression takes.

        The deadline counts from when a child has time for it. Cancelled, it leaves nothing that runs.

        Raises:
            FilterError: libpcap refuses the expression, or it is too complex.
            CompilerError: The compiler could not do its work.
        """
        answer = self._answers.get(expression)
        if answer is None:
            async with self._slots:
                answer = await self._compile(expression, deadline_seconds)
            self._remember(expression, answer)
        if message := text_at(answer, "error"):
            raise FilterError(message)
        return integer_at(answer, "instructions")

    async def _compile(self, expression: str, deadline_seconds: float) -> JsonObject:
        try:
            async with asyncio.timeout(deadline_seconds):
                if self._idle:
                    try:
                        return await self._ask(self._idle.pop(), expression, deadline_seconds)
                    except CompilerError:
                        # Somebody ended it while nobody looked, as Linux does for its memory.
                        pass
                return await self._ask(await _start(), expression, deadline_seconds)
        except TimeoutError as error:
            raise FilterError(
                "the filter is too complex: compiling it takes more than "
                f"{deadline_seconds:g} seconds"
            ) from error

    async def _ask(self, child: "_Child", expression: str, deadline_seconds: float) -> JsonObject:
        try:
            answer = await child.ask(expression, cpu_seconds=deadline_seconds)
        except BaseException:
            await child.end()
            raise
        self._idle.append(child)
        return answer

    def _remember(self, expression: str, answer: JsonObject) -> None:
        # What is too long to be compiled is told so at once, and not worth its memory.
        if len(expression) <= MAX_EXPRESSION_BYTES:
            self._answers[expression] = answer
        if len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)


class _Child:
    """A process that compiles."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def ask(self, expression: str, *, cpu_seconds: float) -> JsonObject:
        """Return the answer about a filter. Raises CompilerError; then the child is of no more use."""
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None
        assert answers is not None
        # One byte more than can be used, so that what is too long is seen to be.
        text = expression.encode(errors="replace")[: MAX_EXPRESSION_BYTES + 1]
        # A little more than the deadline: this limit is for a child whose parent was killed.
        requests.write(REQUEST.pack(math.ceil(cpu_seconds) + 1, len(text)) + text)
        line = await answers.readline()
        if not line.endswith(b"\n"):
            raise CompilerError(await self._process.wait())
        answer: JsonObject = json.loads(line)
        return answer

    async def end(self) -> None:
        """End it, whatever it does."""
        if self._process.returncode is None:
            self._process.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()


async def _start() -> _Child:
    # -P and -s: modules come from the package's own place, never from the working directory.
    arguments = ("-P", "-s", "-m", "apiserver.pcap.compile")
    environment = {"PYTHONPATH": str(_PACKAGE_ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return _Child(
        await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment
        )
    )
