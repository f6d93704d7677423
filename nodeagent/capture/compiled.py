"""Programs of filters: the pods of a capture have the same one. Any thread.

libpcap takes up to a second for an expression, and nothing can stop it meanwhile.
"""

import threading
from collections import OrderedDict
from typing import Final, Protocol, final

from apiserver.resource.filters import PacketFilter
from apiserver.resource.types import Direction
from nodeagent.libpcap.program import Program

# Each has at most 4,000 instructions.
_MOST: Final = 64


class Handle(Protocol):
    """What a program depends on besides its filter: a `LiveHandle`."""

    @property
    def outgoing_is(self) -> Direction:
        """Which way packets go for the pod that leave the interface."""

    def compile(self, packet_filter: PacketFilter, /) -> Program:
        """Compile a filter."""


@final
class CompiledFilters:
    """The programs that were asked for last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._programs = OrderedDict[tuple[PacketFilter, Direction], Program]()

    def of(self, handle: Handle, packet_filter: PacketFilter) -> Program:
        """Return the program of a filter for a handle; raises as `LiveHandle.compile`."""
        key = packet_filter, handle.outgoing_is
        with self._lock:
            known = self._programs.get(key)
            if known is not None:
                self._programs.move_to_end(key)
                return known
        made = handle.compile(packet_filter)
        with self._lock:
            self._programs[key] = made
            if len(self._programs) > _MOST:
                self._programs.popitem(last=False)
        return made
