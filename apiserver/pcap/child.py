"""A child process that compiles filters (`apiserver.pcap.compile`), without environment and network."""

import json
import math
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process, create_subprocess_exec
from pathlib import Path
from typing import Final

from apiserver.jsontypes import JsonObject
from apiserver.pcap.compile import REQUEST

# Of 16 bytes an instruction, and no more of these than a program may have.
_LONGEST_ANSWER_BYTES: Final = 1 << 20

_PACKAGE_ROOT: Final = Path(__file__).parents[2]


class CompilerError(Exception):
    """The child process failed: nothing is known about the filter. `status` is its exit status."""

    def __init__(self, status: int | None) -> None:
        super().__init__(f"the filter compiler ended with status {status}")
        self.status = status


class Child:
    """A process that compiles one filter at a time."""

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


async def start_child() -> Child:
    """Start one, which its `end` ends."""
    # -P and -s: modules come from the package's own place, never from the working directory.
    arguments = ("-P", "-s", "-m", "apiserver.pcap.compile")
    environment = {"PYTHONPATH": str(_PACKAGE_ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return Child(
        await create_subprocess_exec(
            sys.executable,
            *arguments,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env=environment,
            limit=_LONGEST_ANSWER_BYTES,
        )
    )
