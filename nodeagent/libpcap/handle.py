"""A live capture handle: opened, filtered, read in batches, closed exactly once.

Facts that the code relies on (libpcap 1.10.3, Linux 6.18, TPACKET_V3; shown by tests/node):

* The socket sees packets as soon as `pcap_activate` returns, before any filter. Here it is bound
  to a protocol that no frame has until the filter is attached, so no packet is ever in the ring
  that the filter has not passed, if the kernel has room for it.
* The kernel counts what it accepted (PACKET_STATISTICS) at the moment of acceptance; a packet can
  be read only when its block retires, at most one block timeout later. So "accepted minus dropped
  minus read" says exactly how many packets are still to come, and a drain knows when it is done.
* A socket whose interface went down reports ENETDOWN once and works again when the interface
  comes up, under whatever name. Only when the interface is unregistered does its index in the
  socket's address become -1, and of that the socket says nothing. libpcap's own check goes by
  the name from the beginning, so it takes a renamed interface for a vanished one: it is avoided
  by reading only when a block is ready.
* What waits is known before libpcap takes it (see `libpcap.ringview`), so a dispatch is of exactly so
  many packets. (On the loopback interface libpcap skips half of them; no pod's link is one.)
* A packet socket stays in the network namespace it was made in, and answers from there. libpcap
  makes its sockets, and looks up the name, in `pcap_create` and `pcap_activate` only: a handle is
  opened by a thread in the interface's namespace, and used by any. (A promiscuous one would not do:
  for that `pcap_stats` reads /sys/class/net, which is the node's.)
"""

import os
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from apiserver.pcap import expressions
from apiserver.pcap.program import REJECT, compile_filter
from apiserver.resource.filters import PacketFilter
from apiserver.resource.types import Direction
from nodeagent.libpcap import binding
from nodeagent.libpcap.binding import CData, ffi, libc, no_effect, pcap_dump, pcap_lib
from nodeagent.libpcap.dump import DumpFile
from nodeagent.libpcap.errors import (
    CaptureError,
    CapturePermissionError,
    FilterError,
    InterfaceDownError,
    InterfaceGoneError,
    InterfaceNotFoundError,
    LinkTypeError,
    NoRoomError,
    NothingPassesError,
)
from nodeagent.libpcap.frame import Packet
from nodeagent.libpcap.program import (
    ETHERNET,
    REJECT_ALL,
    SNAP_BYTES,
    Program,
    text_of,
)
from nodeagent.libpcap.ringview import (
    Batch,
    Mark,
    OutOfStepError,
    RingMapping,
    RingMappingError,
    RingView,
    is_any_reached,
)
from nodeagent.libpcap.socketfilter import Attachment, SocketFilter

RING_BYTES = 8 * 1024 * 1024
# A packet is read after one or two of these, so a stop takes less than 100 ms. The kernel's timer for
# it costs some 2 us per second and ring.
BLOCK_TIMEOUT_MS = 40

_NANOSECONDS = 1
_ERRBUF_BYTES = 256
_ETH_P_ALL = 0x0003
# Below 0x600 an EtherType field is a length, so the kernel gives no received frame this protocol.
_ETH_P_NOTHING = 0x00FF

_ACTIVATION_ERRORS: dict[int, type[CaptureError]] = {
    -5: InterfaceNotFoundError,
    -8: CapturePermissionError,
    -9: InterfaceDownError,
    -11: CapturePermissionError,
}
_COUNTER_MODULUS = 1 << 32
# Packets between two looks at the counters: one that goes round once is still understood.
_MOST_UNASKED = 1 << 30
_OUT_OF_STEP = "libpcap reads the ring in another way than is known"


@dataclass(frozen=True, slots=True)
class Stats:
    """What the kernel counted since the handle was opened, of packets that passed the filter."""

    received: int = 0  # with the dropped ones
    dropped: int = 0

    @property
    def accepted(self) -> int:
        """How many were put into the ring."""
        return self.received - self.dropped


class LiveHandle:
    """Packets of one interface. Reading, `stats` and what changes the filter belong to one thread."""

    def __init__(
        self,
        interface: str,
        index: int | None = None,
        *,
        outgoing_is: Direction = Direction.IN,
        ring_bytes: int = RING_BYTES,
    ) -> None:
        """Open `interface` without listening yet: `listen` attaches the first filter.

        With an `index`, the name must belong to that interface: names move between pods.
        `outgoing_is` says which way packets go for the pod that leave the interface: at the node's
        end of a link they go in. `ring_bytes` is a multiple of `ringview.BLOCK_BYTES`.

        Raises:
            CaptureError: one of its subclasses where the reason is known.
        """
        self.interface = interface
        self.outgoing_is = outgoing_is
        self.ring_bytes = ring_bytes
        self._dispatched = 0
        self._raw: CData = ffi.new("struct pcap_stat *")
        self._stats = Stats()
        self._ask_at = _MOST_UNASKED
        errbuf = ffi.new("char[]", _ERRBUF_BYTES)
        self._handle = binding.live_lib.pcap_create(os.fsencode(interface), errbuf)
        if not self._handle:
            raise CaptureError(interface, "create", text_of(errbuf))
        with ExitStack() as undo:
            undo.callback(pcap_lib.pcap_close, self._handle)
            self._activate()
            if binding.live_lib.pcap_setnonblock(self._handle, 1, errbuf):
                raise CaptureError(interface, "set non-blocking", text_of(errbuf))
            self.fd = self._descriptor()
            self._ring = self._map_ring()
            undo.callback(self._ring.close)
            self._view = RingView(self._ring.words)
            if index not in (None, self.index):
                raise InterfaceNotFoundError(interface, "open", f"its index is no longer {index}")
            undo.pop_all()
        self._open = True
        self._socket = socket.socket(fileno=self.fd)
        self._filter = SocketFilter(interface, self.fd)

    @property
    def index(self) -> int:
        """The interface's index; -1 when the interface is gone."""
        return int(self._address().sll_ifindex)

    def compile(self, packet_filter: PacketFilter) -> Program:
        """Compile a filter for this handle and all that are `outgoing_is` as it is.

        May run in any thread, beside `dispatch`.

        Raises:
            FilterError: libpcap refuses an expression, or the program is too long.
            NothingPassesError: no packet can pass it.
        """
        try:
            code = compile_filter(self._handle, packet_filter, outgoing_is=self.outgoing_is)
        except expressions.FilterError as error:
            raise FilterError(self.interface, "compile", error.message) from error
        if code == REJECT:
            raise NothingPassesError(self.interface, "compile", "no packet passes the filter")
        return Program(code)

    def listen(self, first: Program) -> Attachment:
        """Attach the first filter and let packets in.

        Raises:
            FilterError: the kernel refuses the program.
            InterfaceDownError: the interface went down meanwhile.
            InterfaceGoneError: it vanished meanwhile.
        """
        attachment = self.exchange(first)
        self._bind(_ETH_P_ALL)
        # A bind to an interface that is down succeeds and leaves this error.
        if code := self.take_error():
            raise InterfaceDownError(self.interface, "bind", os.strerror(code))
        return attachment

    def exchange(self, following: Program) -> Attachment:
        """Put a filter in the place of the one that runs; never is a packet refused that it wants.

        Raises:
            FilterError: the kernel refuses the program; the old one still runs.
        """
        return self._filter.exchange(following)

    def refuse_more(self) -> None:
        """Let nothing more in, for good."""
        try:
            self._filter.attach(REJECT_ALL)
        except NoRoomError:
            # This takes the kernel some milliseconds. Of an interface that is gone nothing comes anyway.
            with suppress(InterfaceGoneError):
                self._bind(_ETH_P_NOTHING)

    def create_file(self, path: Path) -> DumpFile:
        """Create a capture file for this handle's packets; may run in any thread.

        Raises:
            FileError: the file exists or cannot be made.
        """
        return DumpFile(path, self._handle)

    def look(self, most: int, room: int) -> Batch:
        """Return what waits: at most so many packets, of so many bytes in a file together.

        Raises:
            CaptureError: the ring is not as it is known to be.
        """
        try:
            return self._view.look(most, room)
        except OutOfStepError as error:
            raise CaptureError(self.interface, "read", _OUT_OF_STEP) from error

    @property
    def is_calm(self) -> bool:
        """Whether what was read last was all, had been waiting for its time, and was little."""
        return self._view.is_calm

    @property
    def is_filling(self) -> bool:
        """Whether more than a quarter of the ring waits."""
        return is_any_reached([self._view.mark()])

    def mark(self) -> Mark:
        """Return what says that the ring fills up, or has its first packet, until something is read."""
        return self._view.mark()

    def dispatch(self, file: DumpFile, batch: Batch) -> None:
        """Write packets that wait to `file`.

        Raises:
            CaptureError: the handle is broken.
        """
        self._take(batch, pcap_dump, file.writer)

    def skip(self, batch: Batch) -> None:
        """Take packets out of the ring and do nothing with them.

        Raises:
            CaptureError: the handle is broken.
        """
        self._take(batch, no_effect, ffi.NULL)

    def dispatch_each(self, take: Callable[[Packet], None], batch: Batch) -> None:
        """Have `take` called with each of packets that wait, where it is in the ring.

        Raises:
            CaptureError: the handle is broken. And what `take` raises, when all were read.
        """
        failures: list[BaseException] = []
        # pcap_next_ex would copy a packet out of the ring, away from what is written there beside it.
        callback = ffi.callback(
            "pcap_handler",
            lambda _, header, content: take(Packet(header, content)),
            onerror=lambda _, error, __: failures.append(error),
        )
        self._take(batch, callback, ffi.NULL)
        if failures:
            raise failures[0]

    def _take(self, batch: Batch, callback: CData, user: CData) -> None:
        count: int = binding.live_lib.pcap_dispatch(self._handle, batch.packets, callback, user)
        if count < 0:
            raise CaptureError(self.interface, "dispatch", self._message())
        self._dispatched += count
        if count != batch.packets:
            raise CaptureError(self.interface, "dispatch", _OUT_OF_STEP)
        self._view.advance(batch)

    def stats(self) -> Stats:
        """Read the counters, widened: libpcap keeps them in 32 bits."""
        if binding.live_lib.pcap_stats(self._handle, self._raw):
            raise CaptureError(self.interface, "stats", self._message())
        self._stats = Stats(
            received=widened(self._stats.received, self._raw.ps_recv),
            dropped=widened(self._stats.dropped, self._raw.ps_drop),
        )
        self._ask_at = self._dispatched + _MOST_UNASKED
        return self._stats

    def dropped(self) -> int:
        """Return how many packets were dropped, at least until what was read last was looked at.

        The kernel drops only while the whole ring waits, and whoever reads that ring next does not
        find it calm. So it is not asked where nothing can have been dropped.
        """
        if self._view.is_calm and self._dispatched < self._ask_at:
            return self._stats.dropped
        return self.stats().dropped

    def waiting(self) -> int:
        """Return how many packets passed the filter so far and were not read yet."""
        return self.stats().accepted - self._dispatched

    def take_error(self) -> int:
        """Return the socket's pending errno, 0 if there is none, and clear it."""
        return self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def close(self) -> None:
        """Close the handle, once; takes tens of milliseconds (the kernel waits for readers)."""
        if self._open:
            self._open = False
            self._socket.detach()
            self._ring.close()
            pcap_lib.pcap_close(self._handle)

    def _bind(self, protocol: int) -> None:
        address = self._address()
        address.sll_protocol = socket.htons(protocol)
        if libc.bind(self.fd, address, ffi.sizeof("struct sockaddr_ll")):
            raise InterfaceGoneError(self.interface, "bind", os.strerror(ffi.errno))

    def _activate(self) -> None:
        lib, handle = binding.live_lib, self._handle
        options = (
            (lib.pcap_set_snaplen, SNAP_BYTES),
            (lib.pcap_set_promisc, 0),
            (lib.pcap_set_immediate_mode, 0),
            (lib.pcap_set_timeout, BLOCK_TIMEOUT_MS),
            (lib.pcap_set_buffer_size, self.ring_bytes),
            (lib.pcap_set_tstamp_precision, _NANOSECONDS),
            (lib.pcap_set_protocol_linux, _ETH_P_NOTHING),
        )
        refusals = [
            status for set_option, value in options if (status := set_option(handle, value))
        ]
        # Whatever was refused: closing what was never activated leaves a descriptor open.
        status = lib.pcap_activate(handle)
        if refusals:
            raise CaptureError(self.interface, "set up", self._status_text(refusals[0]))
        if status < 0:
            kind = _ACTIVATION_ERRORS.get(status, CaptureError)
            message = self._message() or self._status_text(status)
            if kind is CapturePermissionError:
                message = f"{message} (it takes the capability NET_RAW)"
            raise kind(self.interface, "activate", message)
        if lib.pcap_datalink(handle) != ETHERNET:
            raise LinkTypeError(self.interface, "activate", "not an Ethernet interface")

    def _descriptor(self) -> int:
        fd: int = binding.live_lib.pcap_get_selectable_fd(self._handle)
        if fd < 0:
            raise CaptureError(self.interface, "activate", "it has no descriptor to wait for")
        return fd

    def _map_ring(self) -> RingMapping:
        try:
            return RingMapping(self.fd, self.ring_bytes)
        except RingMappingError as error:
            message = f"the kernel gave no ring of {self.ring_bytes} bytes"
            raise CaptureError(self.interface, "map", message) from error

    def _address(self) -> CData:
        address = ffi.new("struct sockaddr_ll *")
        length = ffi.new("unsigned int *", ffi.sizeof("struct sockaddr_ll"))
        libc.getsockname(self.fd, address, length)
        return address

    def _status_text(self, status: int) -> str:
        return text_of(binding.live_lib.pcap_statustostr(status))

    def _message(self) -> str:
        return text_of(pcap_lib.pcap_geterr(self._handle))


def widened(last: int, now: int) -> int:
    """Return the count that is `now` in 32 bits and was `last`, by less than 2^32 packets ago."""
    return last + (now - last) % _COUNTER_MODULUS
