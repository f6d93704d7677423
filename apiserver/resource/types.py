"""The spec of a PacketCapture as values that are right by construction, and its states."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

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


@dataclass(frozen=True, slots=True)
class Filter:
    """One rule: the protocol (an IP protocol number, None for any) AND any of the ports.

    A port matches source or destination. No ports at all means any port.
    """

    protocol: int | None
    ports: tuple[PortRange | NamedPort, ...]


@dataclass(frozen=True, slots=True)
class Spec:
    """What to capture, and when. No filters means everything; times are aware, in UTC."""

    selector: Selector
    filters: tuple[Filter, ...]
    start_time: datetime | None
    end_time: datetime | None


@dataclass(frozen=True, slots=True)
class PacketCapture:
    """A capture as the node agent needs it: identity and spec."""

    namespace: str
    name: str
    uid: CaptureUID
    generation: int
    spec: Spec
