"""Checks the filters of users; libpcap has child processes: a thread in it could not be stopped.

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
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from apiserver.jsontypes import JsonObject, JsonValue, array_at, integer_at, text_at
from apiserver.pcap.assembly import assemble
from apiserver.pcap.compile import REQUEST
from apiserver.pcap.expressions import Expressions, FilterError, check_length, verbatim
from apiserver.pcap.listing import Code, unpacked
from apiserver.pcap.memory import MAX_KERNEL_BYTES, kernel_bytes
from apiserver.resource.filters import Alternative, PacketFilter
from apiserver.resource.types import Direction

DEFAULT_CONCURRENCY: Final = 2

# Answers that are remembered: the same few filters are asked about again and again.
_REMEMBERED: Final = 1024

# Of 16 bytes an instruction, and no more of these than a program may have.
_LONGEST_ANSWER_BYTES: Final = 1 << 20

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
        self._answers: OrderedDict[PacketFilter, int | FilterError] = OrderedDict()

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

    async def check(self, packet_filter: PacketFilter, *, deadline_seconds: float) -> int:
        """Return how many instructions a filter takes on a live handle.

        The deadline counts from when a child has time for it. Cancelled, it leaves nothing that runs.

        Raises:
            FilterError: libpcap refuses an expression, or the filter is too complex.
            CompilerError: The compiler could not do its work.
        """
        alternatives = verbatim(packet_filter)
        if not alternatives:
            return _instructions(packet_filter, {})
        answer = self._answers.get(packet_filter)
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
        texts: JsonValue = [list(each.texts) for each in alternatives.values()]
        async with self._slots:
            answer = await self._compile(json.dumps(texts).encode(), deadline_seconds)
        if message := text_at(answer, "error"):
            return FilterError(message, list(alternatives)[integer_at(answer, "alternative")])
        codes = [_codes(each) for each in array_at(answer, "programs")]
        programs_of = zip((each.text for each in alternatives.values()), codes, strict=True)
        try:
            return _instructions(packet_filter, dict(programs_of))
        except FilterError as error:
            return error

    async def _compile(self, request: bytes, deadline_seconds: float) -> JsonObject:
        try:
            async with asyncio.timeout(deadline_seconds):
                if self._idle:
                    try:
                        return await self._ask(self._idle.pop(), request, deadline_seconds)
                    except CompilerError:
                        # Somebody ended it while nobody looked, as Linux does for its memory.
                        pass
                return await self._ask(await _start(), request, deadline_seconds)
        except TimeoutError as error:
            raise FilterError(
                "the filter is too complex: compiling it takes more than "
                f"{deadline_seconds:g} seconds"
            ) from error

    async def _ask(self, child: "_Child", request: bytes, deadline_seconds: float) -> JsonObject:
        try:
            answer = await child.ask(request, cpu_seconds=deadline_seconds)
        except BaseException:
            await child.end()
            raise
        self._idle.append(child)
        return answer

    def _remember(self, packet_filter: PacketFilter, answer: int | FilterError) -> None:
        self._answers[packet_filter] = answer
        if len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)


class _Child:
    """A process that compiles."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def ask(self, request: bytes, *, cpu_seconds: float) -> JsonObject:
        """Return the answer about texts. Raises CompilerError; then the child is of no more use."""
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None
        assert answers is not None
        # A little more than the deadline: this limit is for a child whose parent was killed.
        requests.write(REQUEST.pack(math.ceil(cpu_seconds) + 1, len(request)) + request)
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
            sys.executable,
            *arguments,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env=environment,
            limit=_LONGEST_ANSWER_BYTES,
        )
    )


def _codes(programs: JsonValue) -> list[Code]:
    texts = programs if isinstance(programs, list) else []
    return [unpacked(text) for text in texts if isinstance(text, str)]


def _instructions(packet_filter: PacketFilter, expressions: Expressions) -> int:
    """Return how long a filter's program is. Raises FilterError if that is too long for the kernel."""
    code = assemble(packet_filter, expressions, outgoing_is=Direction.IN)
    check_length(len(code))
    size = kernel_bytes(code)
    if size > MAX_KERNEL_BYTES:
        raise FilterError(
            f"the filter is too complex: it takes {size} bytes of the kernel's memory "
            f"of at most {MAX_KERNEL_BYTES}"
        )
    return len(code)
