"""Pods by the hundred: a process and a link each, made within milliseconds, and gone as fast.

One process forks them all. Each child makes a network namespace and in it, as CNI plugins do, a veth
pair whose other end is the node's; then it sends one frame again and again, if it was told to. The
name, the number and the address of a link, and the number of a process, may be what another had.
"""

import json
import os
import secrets
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from ctypes import CDLL, get_errno
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
_LAST_PID = Path("/proc/sys/kernel/ns_last_pid")
_CLONE_NEWNET = 0x4000_0000
_SOL_PACKET, _PACKET_QDISC_BYPASS = 263, 20
_PAUSE_SECONDS = 0.002

# linux/netlink.h, linux/rtnetlink.h, linux/if_link.h, linux/veth.h
_REQUEST, _ACK, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x200, 0x400
_NEWLINK, _DELLINK = 16, 17
_ADDRESS, _NAME, _LINKINFO, _NAMESPACE_OF = 1, 3, 18, 19
_GROUP = 27
_KIND, _DATA, _PEER = 1, 2, 1
_UP = 1
# The loopback interface is the first.
_INSIDE = 2
_HEADER = struct.Struct("=IHHII")
_LINK = struct.Struct("=BBHiII")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a pod is to be like; `link` is the node's end of its link, `mac` that of the pod's.

    `index` and `pid` 0: as the kernel likes. `frame`: what it sends, in hexadecimal digits; taps
    within the pod see that only if it is sent through the queue, which sends nothing for up to a
    second after the link came up. `is_linked` False: without a link, until it is connected.
    """

    link: str
    mac: str = ""
    index: int = 0
    pid: int = 0
    frame: str = ""
    is_queued: bool = False
    is_linked: bool = True


@dataclass(frozen=True, slots=True)
class Member:
    """A pod that runs."""

    pid: int
    wish: Wish


class Crowd:
    """Makes pods and ends them; all of it blocks. Made by `open_crowd`."""

    def __init__(self, requests: IO[str], answers: IO[str]) -> None:
        self._requests = requests
        self._answers = answers

    def start(self, wish: Wish) -> Member:
        """Start a pod. Raises OSError if it cannot have what it was to have."""
        pid = self._ask("start", **asdict(wish))
        if not pid:
            raise OSError(0, "no such pod can be made", wish)
        if wish.is_linked:
            set_up(wish.link)
        return Member(pid, wish)

    def connect(self, member: Member) -> None:
        """Give its link to a pod that was started without one."""
        self._ask("connect", pid=member.pid)
        set_up(member.wish.link)

    def end(self, members: Sequence[Member]) -> None:
        """End pods: their links first, as CNI plugins do."""
        delete_links([member.wish.link for member in members])
        for member in members:
            self._ask("end", pid=member.pid)

    def _ask(self, verb: str, **arguments: str | int) -> int:
        self._requests.write(json.dumps({"verb": verb, **arguments}) + "\n")
        self._requests.flush()
        return int(self._answers.readline())


@contextmanager
def open_crowd() -> Iterator[Crowd]:
    """Make pods, all of which end with the block."""
    with subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as mother:
        assert mother.stdin is not None
        assert mother.stdout is not None
        yield Crowd(mother.stdin, mother.stdout)
        mother.stdin.close()


def set_up(name: str) -> None:
    """Set a link of this namespace up."""
    _send(_NEWLINK, 0, _link(flags=_UP) + _text(_NAME, name))


def delete_links(names: Sequence[str]) -> None:
    """Delete links of this namespace, all at once: that takes the kernel 30 ms, however many."""
    group = _attribute(_GROUP, secrets.randbits(31).to_bytes(4, "little"))
    for name in names:
        _send(_NEWLINK, 0, _link() + _text(_NAME, name) + group)
    if names:
        _send(_DELLINK, 0, _link() + group)


def _link(index: int = 0, flags: int = 0) -> bytes:
    return _LINK.pack(socket.AF_UNSPEC, 0, 0, index, flags, flags)


def _text(kind: int, text: str) -> bytes:
    return _attribute(kind, text.encode() + b"\0")


def _attribute(kind: int, content: bytes) -> bytes:
    padding = bytes(-len(content) % 4)
    return struct.pack("=HH", 4 + len(content), kind) + content + padding


def _send(kind: int, flags: int, body: bytes) -> None:
    header = _HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | _ACK | flags, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.send(header + body)
        answer = kernel.recv(65_536)
    (code,) = struct.unpack_from("=i", answer, _HEADER.size)
    if code:
        raise OSError(-code, os.strerror(-code))


# The process that forks.


class _Mother:
    """Its children, by process, with the pipes by which they say that they are ready."""

    def __init__(self) -> None:
        self._children: dict[int, int] = {}

    def serve(self) -> None:
        """Do what is asked until nobody asks any more."""
        for line in sys.stdin:
            request = json.loads(line)
            match request.pop("verb"):
                case "start":
                    answer = self._start(Wish(**request))
                case "connect":
                    os.kill(request["pid"], signal.SIGUSR1)
                    answer = len(os.read(self._children[request["pid"]], 1))
                case _:
                    answer = self._bury(request["pid"])
            print(answer, flush=True)
        for child in tuple(self._children):
            self._bury(child)

    def _start(self, wish: Wish) -> int:
        """Fork a pod; return its process once it has what it was to have, 0 if it cannot."""
        readable, writable = os.pipe()
        if wish.pid:
            _LAST_PID.write_text(str(wish.pid - 1))
        child = os.fork()
        if not child:
            try:
                _live(wish, writable)
            finally:
                os._exit(1)
        os.close(writable)
        self._children[child] = readable
        return child if os.read(readable, 1) else self._bury(child)

    def _bury(self, child: int) -> int:
        os.close(self._children.pop(child))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return 0


def _live(wish: Wish, news: int) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    if CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
        raise OSError(get_errno(), "unshare")
    # What an interface says by itself, to find its neighbours, is not what is looked for here.
    Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")
    if not wish.is_linked:
        os.write(news, b"+")
        signal.sigwait({signal.SIGUSR1})
    _add_pair(wish)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
        raw.setsockopt(_SOL_PACKET, _PACKET_QDISC_BYPASS, 0 if wish.is_queued else 1)
        raw.bind(("eth0", 0))
        os.write(news, b"+")
        while wish.frame:
            # Until the node's end is up, nothing can be sent.
            with suppress(OSError):
                raw.send(bytes.fromhex(wish.frame))
            time.sleep(_PAUSE_SECONDS)
    signal.pause()


def _add_pair(wish: Wish) -> None:
    # Of the node's end the kernel takes a number only if this one has one too.
    inside = _link(_INSIDE, _UP) + _text(_NAME, "eth0")
    if wish.mac:
        inside += _attribute(_ADDRESS, bytes.fromhex(wish.mac.replace(":", "")))
    node = _link(wish.index) + _text(_NAME, wish.link)
    node += _attribute(_NAMESPACE_OF, os.getppid().to_bytes(4, "little"))
    kind = _text(_KIND, "veth") + _attribute(_DATA, _attribute(_PEER, node))
    _send(_NEWLINK, _CREATE | _EXCLUSIVE, inside + _attribute(_LINKINFO, kind))


if __name__ == "__main__":
    _Mother().serve()
