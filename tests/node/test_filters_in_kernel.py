"""Programs run by the kernel itself on packets of every kind, without a network.

A filter on a datagram socket is asked about each datagram, and cuts it: a frame that is sent as one
comes out as a capture would have it. It counts as a packet that the interface receives, with no tag
beside it.
"""

import socket
from collections.abc import Iterator
from contextlib import closing
from functools import cache

import pytest

from apiserver.resource.filters import NoMatchError, packet_filter
from apiserver.resource.types import Direction, Spec
from nodeagent.libpcap.binding import ffi, libc
from nodeagent.libpcap.errors import NothingPassesError
from nodeagent.libpcap.handle import LiveHandle
from nodeagent.libpcap.program import Program
from tests.support.meaning import Expression, is_wanted, kept
from tests.support.netns import Pod
from tests.support.packets import frames
from tests.support.rules import PORT_NAMES, RULES, spec
from tests.support.verdicts import judged_expressions

SO_ATTACH_FILTER = 26


@cache
def judged_by_tcpdump() -> dict[str, Expression]:
    return judged_expressions(frames().values())


@pytest.fixture
def handles(pod: Pod) -> Iterator[dict[Direction, LiveHandle]]:
    """Give handles at the ends of a link, by the way that received packets go there for the pod."""
    with (
        closing(LiveHandle(pod.interface, outgoing_is=Direction.IN)) as node,
        closing(LiveHandle(pod.interface, outgoing_is=Direction.OUT)) as inside,
    ):
        yield {Direction.OUT: node, Direction.IN: inside}


def done(program: Program) -> dict[str, bytes]:
    """Return what the kernel lets pass."""
    entrance, exit_ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with entrance, exit_:
        size = ffi.sizeof("struct sock_fprog")
        level, option = socket.SOL_SOCKET, SO_ATTACH_FILTER
        assert libc.setsockopt(exit_.fileno(), level, option, program.for_kernel, size) == 0
        exit_.setblocking(False)
        return {
            name: content
            for name, frame in frames().items()
            if (content := passed(frame, entrance, exit_)) is not None
        }


def passed(frame: bytes, entrance: socket.socket, exit_: socket.socket) -> bytes | None:
    try:
        entrance.send(frame)
        return exit_.recv(len(frame) + 1)
    except (PermissionError, BlockingIOError):
        return None


def meant(wanted: Spec, direction: Direction) -> dict[str, bytes]:
    return {
        name: frame[: kept(frame, wanted)]
        for name, frame in frames().items()
        if is_wanted(
            *(frame, wanted, direction),
            named_ports=PORT_NAMES,
            expressions=judged_by_tcpdump(),
        )
    }


@pytest.mark.parametrize("headers_only", [False, True], ids=["whole", "headers"])
@pytest.mark.parametrize("direction", Direction)
def test_the_kernel_lets_pass_what_rules_mean(handles, direction, headers_only):
    for name, rules in RULES.items():
        wanted = spec(*rules, headers_only=headers_only)
        try:
            program = handles[direction].compile(packet_filter(wanted, PORT_NAMES))
        except (NoMatchError, NothingPassesError):
            continue

        assert done(program) == meant(wanted, direction), name


@pytest.mark.parametrize("snap_length", [1, 14, 60, 262_144])
def test_the_kernel_cuts_packets_at_the_snap_length(handles, snap_length):
    wanted = spec(snap_length=snap_length)

    program = handles[Direction.IN].compile(packet_filter(wanted, {}))

    assert done(program) == meant(wanted, Direction.IN)
