"""Compiles the filters of users in child processes, because a thread in libpcap cannot be stopped.

Each filter has a process of its own (`apiserver.pcap.compile`), without environment and network,
that is killed when its time is up. It costs some 50 ms to start.
"""

import asyncio
import json
import math
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from apiserver.jsontypes import JsonObject, integer_at, text_at
from apiserver.pcap.program import FilterError

DEFAULT_CONCURRENCY: Final = 2

_PACKAGE_ROOT: Final = Path(__file__).parents[2]


class CompilerError(Exception):
    """The child process failed: nothing is known about the filter. `status` is its exit status."""

    def __init__(self, status: int | None) -> None:
        super().__init__(f"the filter compiler ended with status {status}")
        self.status = status


class FilterCompiler:
    """Compiles at most `concurrency` filters at a time; more wait for as long as their callers do."""

    def __init__(self, concurrency: int = DEFAULT_CONCURRENCY) -> None:
        self._slots = asyncio.Semaphore(concurrency)

    async def check(self, expression: str, *, deadline_seconds: float) -> int:
        """Return how many instructions an expression takes.

        The deadline counts from the start of the compiler. Cancelled, it leaves no process behind.

        Raises:
            FilterError: libpcap refuses the expression, or it is too complex.
            CompilerError: The compiler could not do its work.
        """
        async with self._slots:
            try:
                async with asyncio.timeout(deadline_seconds):
                    answer = await _compile(expression, deadline_seconds)
            except TimeoutError as error:
                raise FilterError(
                    "the filter is too complex: compiling it takes more than "
                    f"{deadline_seconds:g} seconds"
                ) from error
        if message := text_at(answer, "error"):
            raise FilterError(message)
        return integer_at(answer, "instructions")


async def _compile(expression: str, deadline_seconds: float) -> JsonObject:
    # A little more than the deadline: this limit is for a child whose parent was killed.
    async with _open_child(cpu_seconds=math.ceil(deadline_seconds) + 1) as child:
        output, _ = await child.communicate(expression.encode(errors="replace"))
    if child.returncode != 0:
        raise CompilerError(child.returncode)
    answer: JsonObject = json.loads(output)
    return answer


@asynccontextmanager
async def _open_child(*, cpu_seconds: int) -> AsyncGenerator[Process]:
    # -P and -s: modules come from the package's own place, never from the working directory.
    arguments = ("-P", "-s", "-m", "apiserver.pcap.compile", str(cpu_seconds))
    environment = {"PYTHONPATH": str(_PACKAGE_ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    child = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
