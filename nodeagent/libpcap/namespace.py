"""Work in another network namespace, done by a thread that never comes back from there.

setns(2) moves one thread. It would go on to do others' work in the wrong namespace if it failed to
return, so it does not try: it ends. What it opened stays in the namespace, and keeps that alive.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from nodeagent.libpcap.binding import ffi, libc

_CLONE_NEWNET = 0x4000_0000

_Result = TypeVar("_Result")


def run_inside(namespace: int, work: Callable[[], _Result]) -> _Result:
    """Return what `work` returns in the network namespace of a descriptor; blocks meanwhile.

    Raises:
        OSError: the namespace cannot be entered; EPERM without CAP_SYS_ADMIN. Or whatever `work`
            raises.
    """

    def enter_and_work() -> _Result:
        if libc.setns(namespace, _CLONE_NEWNET):
            raise OSError(ffi.errno, os.strerror(ffi.errno), "setns")
        return work()

    with ThreadPoolExecutor(1, thread_name_prefix="namespace") as thread:
        return thread.submit(enter_and_work).result()
