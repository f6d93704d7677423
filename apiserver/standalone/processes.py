"""The two programs as child processes that end with this one, however it ends."""

import asyncio
import ctypes
import logging
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

log = logging.getLogger(__name__)

STOP_SECONDS = 15.0
_PR_SET_PDEATHSIG = 1


@asynccontextmanager
async def running(name: str, *arguments: str) -> AsyncGenerator[Process]:
    """Run `python -m NAME ARGUMENTS` inside the block; at its end ask it to stop, then insist."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", name, *arguments, preexec_fn=_end_with_parent(os.getpid())
    )
    try:
        yield process
    finally:
        await _stop(process, name)


async def _stop(process: Process, name: str) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        log.warning("program does not stop, killing it", extra={"program": name})
    finally:
        # Also on a second Ctrl-C, which cancels the wait above: nothing is left behind.
        if process.returncode is None:
            process.kill()


def _end_with_parent(parent: int) -> Callable[[], None]:
    """Return a function for the child that has the kernel end it when this process dies."""
    libc = ctypes.CDLL(None, use_errno=True)

    def ask_kernel() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)

    return ask_kernel
