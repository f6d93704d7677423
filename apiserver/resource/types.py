"""The spec of a PacketCapture as values that are right by construction, and its states."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import NewType, TypeAlias

from apiserver.resource.selector.nodes import Selector

GROUP = "projectcalico.org"
VERSION = "v3"
GROUP_VERSION = f"{GROUP}/{VERSION}"
KIND = "PacketCapture"
LIST_KIND = "PacketCaptureList"
PLURAL = "packetcaptures"
SINGULAR = "packetcapture"
FILE_LIST_KIND = "PacketCaptureFileList"

CaptureUID = NewType("CaptureUID", str)


class State(StrEnum):
    """The states of a capture on a node, or of one of its endpoints (calico-semantics 1.6)."""

    SCHEDULED = "Scheduled"
    WAITING_FOR_TRAFFIC = "WaitingForTraffic"
    CAPTURING = "Capturing"
    FINISHED = "Finished"
    ERROR = "Error"


@dataclass(frozen=True, slots=True)
class PortRange:
    """Ports from `first` to `last`, both included; a single port is a range of one."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class NamedPort:
    """A port that each endpoint resolves by itself, from the names its containers give."""

    name: str


class Direction(StrEnum):
    """Which way a packet goes, seen from the pod."""

    IN = "In"
    OUT = "Out"


Network: TypeAlias = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class TCPFlags:
    """Flags of a TCP header: `present` must be set, `absent` must not (bits of its byte 13)."""

    present: int
    absent: int


@dataclass(frozen=True, slots=True)
class Filter:
    """One rule: all that it says must be true of a packet.

    `protocol` is an IP protocol number, None for any. Of `ports` (source or destination), `src_nets`,
    `dst_nets` and `tcp_flags` one each must be met; an empty one is met by all. `expression` is
    pcap-filter text, empty for none.
    """

    protocol: int | None = None
    ports: tuple[PortRange | NamedPort, ...] = ()
    src_nets: tuple[Network, ...] = ()
    dst_nets: tuple[Network, ...] = ()
    direction: Direction | None = None
    tcp_flags: tuple[TCPFlags, ...] = ()
    icmp_type: int | None = None
    expression: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one endpoint; None for none of the capture's own. Sizes are in bytes.

    `packets`, `bytes` and `duration` end it; `files` rotated files are kept, each of at most
    `file_size` and no older than `rotate_every` when it is rotated.
    """

    packets: int | None = None
    bytes: int | None = None
    duration: timedelta | None = None
    files: int | None = None
    file_size: int | None = None
    rotate_every: timedelta | None = None


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Spec:
    """What to capture, how much of it, and when.

    No filters means everything; times are aware, in UTC. `snap_length` is how many bytes of each
    packet are kept, 0 for all; `headers_only` leaves out what the transport carries.
    """

    selector: Selector
    filters: tuple[Filter, ...]
    start_time: datetime | None
    end_time: datetime | None
    snap_length: int = 0
    headers_only: bool = False
    limits: Limits = NO_LIMITS
    ttl_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class PacketCapture:
    """A capture as the node agent needs it: identity and spec."""

    namespace: str
    name: str
    uid: CaptureUID
    generation: int
    spec: Spec
