"""libpcap, and what capturing takes of the C library, behind the same doors: heard, or with one call that fails."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

import apiserver.pcap.expressions
import apiserver.pcap.program
import nodeagent.libpcap.binding
import nodeagent.libpcap.dump
import nodeagent.libpcap.handle
import nodeagent.libpcap.namespace
import nodeagent.libpcap.program
import nodeagent.libpcap.ringview
import nodeagent.libpcap.socketfilter
from nodeagent.libpcap.binding import ffi, live_lib

MESSAGE = b"it failed\0"

# What is called when a function is: its name, the real one, what it was called with.
Answer = Callable[[str, Callable[..., object], tuple[Any, ...]], object]

_MODULES: Final[tuple[ModuleType, ...]] = (
    apiserver.pcap.expressions,
    apiserver.pcap.program,
    nodeagent.libpcap.binding,
    nodeagent.libpcap.dump,
    nodeagent.libpcap.handle,
    nodeagent.libpcap.namespace,
    nodeagent.libpcap.program,
    nodeagent.libpcap.ringview,
    nodeagent.libpcap.socketfilter,
)
_LIBRARIES: Final = frozenset({"lib", "libc", "live_lib", "pcap_lib"})
# Those that our modules call by names of their own.
_FUNCTIONS: Final = {"purge": "__fpurge", "set_locking": "__fsetlocking"}

# All that is declared for live captures.
DECLARED: Final = frozenset(dir(live_lib))


class _Door:
    """A library whose functions are answered by somebody else."""

    def __init__(self, real: object, answer: Answer) -> None:
        self._real = real
        self._answer = answer

    def __getattr__(self, name: str) -> object:
        return _behind(name, getattr(self._real, name), self._answer)


def _behind(name: str, real: Callable[..., object], answer: Answer) -> Callable[..., object]:
    return lambda *arguments: answer(name, real, arguments)


@contextmanager
def answering(answer: Answer) -> Iterator[None]:
    """Have `answer` called for each call into a library inside the block."""
    before = [
        (module, name, getattr(module, name))
        for module in _MODULES
        for name in (_LIBRARIES | _FUNCTIONS.keys()) & vars(module).keys()
    ]
    for module, name, real in before:
        function = _FUNCTIONS.get(name)
        setattr(module, name, _behind(function, real, answer) if function else _Door(real, answer))
    try:
        yield
    finally:
        for module, name, real in before:
            setattr(module, name, real)


@contextmanager
def hearing() -> Iterator[set[str]]:
    """Have the names of all functions that are called inside the block."""
    heard: set[str] = set()

    def hear(name: str, real: Callable[..., object], arguments: tuple[Any, ...]) -> object:
        heard.add(name)
        return real(*arguments)

    with answering(hear):
        yield heard


@contextmanager
def failing(name: str, answer: object, *, after: int = 0, code: int = 0) -> Iterator[None]:
    """Let a function answer `answer`, with `code` as errno, from its `after`th call on inside the block."""
    left = after

    def fail(called: str, real: Callable[..., object], arguments: tuple[Any, ...]) -> object:
        nonlocal left
        if called != name or left:
            left -= called == name
            return real(*arguments)
        _be_consistent(name, real, arguments)
        ffi.errno = code
        return answer

    with answering(fail):
        yield


def _be_consistent(name: str, real: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    """Do what the real one does beside its answer where it fails."""
    match name:
        case "pcap_dump_fopen":
            # It closes what it cannot write the file's header to.
            live_lib.pcap_dump_close(real(*arguments))
        case "pcap_activate":
            # What fails has cleaned up after itself, what succeeds is cleaned up by closing.
            real(*arguments)
        case "pcap_create" | "pcap_setnonblock":
            ffi.memmove(arguments[-1], MESSAGE, len(MESSAGE))
        case _:
            pass
