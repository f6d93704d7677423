"""System calls of another process, seen before the kernel does them: let go on, failed, or its last ones.

With seccomp's user notification (seccomp_unotify(2)), so whoever makes the call, Python, libpcap or the C
library within itself, it is seen, with nothing compiled and nothing preloaded.
"""

import ctypes
import errno
import fcntl
import os
import platform
import select
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# By machine: the numbers of the calls that do the same thing to a file; the place of the descriptor, or
# of the path behind its directory's descriptor.
_NUMBERS: Final[dict[str, dict[str, tuple[int, ...]]]] = {
    "x86_64": {
        "write": (1, 18, 20),
        "fsync": (74, 75),
        "ftruncate": (77,),
        "truncate": (76,),
        "open": (257,),
        "rename": (264, 316),
        "unlink": (263,),
        "mkdir": (258,),
        "old rename": (82,),
        "old unlink": (87,),
        "old mkdir": (83,),
    },
    "aarch64": {
        "write": (64, 66, 68),
        "fsync": (82, 83),
        "ftruncate": (46,),
        "truncate": (45,),
        "open": (56,),
        "rename": (38, 276),
        "unlink": (35,),
        "mkdir": (34,),
    },
}
_CALLS: Final = _NUMBERS[platform.machine()]
_NAMES: Final = {number: name for name, numbers in _CALLS.items() for number in numbers}
_OF_DESCRIPTOR: Final = frozenset({"write", "fsync", "ftruncate"})
_OF_PATH: Final = frozenset({"truncate", "old rename", "old unlink", "old mkdir"})
_AT_FDCWD: Final = -100
_FLAGS_ARGUMENT: Final = 2

_SECCOMP: Final = {"x86_64": 317, "aarch64": 277}[platform.machine()]
_SET_MODE_FILTER, _NEW_LISTENER = 1, 8
_PR_SET_NO_NEW_PRIVS: Final = 38
_RET_ALLOW, _RET_NOTIFY = 0x7FFF0000, 0x7FC00000
_LOAD_NUMBER, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NOTICE = struct.Struct("=QIIiIQ6Q")
_ANSWER = struct.Struct("=QqiI")
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_GO_ON: Final = 1

_LONGEST_PATH: Final = 4096
_PATIENCE_MILLISECONDS: Final = 100


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is about to be made: its name, the file that it is for, and whether it may make one."""

    name: str
    path: Path
    creates: bool = False


@dataclass(frozen=True, slots=True)
class Fail:
    """The call is not made; it answers this error. Of one that `is_torn` half is written all the same."""

    code: int = errno.EIO
    is_torn: bool = False


@dataclass(frozen=True, slots=True)
class Kill:
    """The process ends, and the call is not made. Of one that `is_torn` half is written all the same."""

    is_torn: bool = False


def notify_of(names: Iterable[str]) -> int:
    """Have calls of this process wait for whoever reads the descriptor that is returned.

    It holds for threads and processes that begin from now on, and cannot be undone.
    """
    wanted = [number for name in names for number in _numbers(name)]
    program = struct.pack("=HBBI", _LOAD_NUMBER, 0, 0, 0)
    for place, number in enumerate(wanted):
        program += struct.pack("=HBBI", _IF_EQUAL, len(wanted) - place, 0, number)
    program += struct.pack("=HBBI", _RETURN, 0, 0, _RET_ALLOW)
    program += struct.pack("=HBBI", _RETURN, 0, 0, _RET_NOTIFY)
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    descriptor: int = libc.syscall(_SECCOMP, _SET_MODE_FILTER, _NEW_LISTENER, header)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    return descriptor


@contextmanager
def deciding(
    listener: int, decide: Callable[[Call], Fail | Kill | None], kill: Callable[[], None]
) -> Iterator[None]:
    """Decide about the calls of a process inside the block, in a thread; closes the listener.

    After the block no call of it comes back: the process has to be at its end.
    """
    is_over = threading.Event()
    thread = threading.Thread(target=_decide, args=(listener, decide, kill, is_over))
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        os.close(listener)


def _decide(
    listener: int,
    decide: Callable[[Call], Fail | Kill | None],
    kill: Callable[[], None],
    is_over: threading.Event,
) -> None:
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while not is_over.is_set():
        for _, events in poll.poll(_PATIENCE_MILLISECONDS):
            if not events & select.POLLIN:
                return
            notice = bytearray(_NOTICE.size)
            try:
                fcntl.ioctl(listener, _RECEIVE, notice)
                identity, caller, _, number, _, _, *arguments = _NOTICE.unpack(notice)
                answer = decide(_call(caller, number, arguments))
                if answer is not None and answer.is_torn:
                    _write_half(caller, *arguments[:3])
                if isinstance(answer, Kill):
                    kill()
                    return
                code, flags = (0, _GO_ON) if answer is None else (-answer.code, 0)
                fcntl.ioctl(listener, _SEND, _ANSWER.pack(identity, 0, code, flags))
            except (FileNotFoundError, ProcessLookupError):
                # It has ended meanwhile.
                continue


def _call(pid: int, number: int, arguments: list[int]) -> Call:
    name = _NAMES[number]
    if name in _OF_DESCRIPTOR:
        return Call(name, _opened(pid, arguments[0]))
    if name in _OF_PATH:
        return Call(name.removeprefix("old "), _text(pid, arguments[0]))
    directory = ctypes.c_int(arguments[0]).value
    path = _text(pid, arguments[1])
    if directory != _AT_FDCWD and not path.is_absolute():
        path = _opened(pid, directory) / path
    return Call(name, path, creates=bool(arguments[_FLAGS_ARGUMENT] & os.O_CREAT))


def _write_half(pid: int, descriptor: int, address: int, count: int) -> None:
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        memory.seek(address)
        content = memory.read(count // 2)
    with Path(f"/proc/{pid}/fd/{descriptor}").open("ab") as file:
        file.write(content)


def _opened(pid: int, descriptor: int) -> Path:
    return Path(os.readlink(f"/proc/{pid}/fd/{descriptor}"))


def _text(pid: int, address: int) -> Path:
    """Return the path at an address of a process; it may end before its page does."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        memory.seek(address)
        return Path(os.fsdecode(memory.read(_LONGEST_PATH).split(b"\0")[0]))


def _numbers(name: str) -> tuple[int, ...]:
    return _CALLS[name] + _CALLS.get(f"old {name}", ())
