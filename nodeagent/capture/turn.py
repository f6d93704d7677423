"""A point in the stream of a ring's packets: those before it go elsewhere than those behind it."""

from dataclasses import dataclass, field

from nodeagent.capture.sieve import Following
from nodeagent.libpcap.frame import Packet


@dataclass(slots=True)
class Turn:
    """Packets to come: `owed` before the turn, `unsure` around it; `ahead` are sorted already."""

    owed: int
    unsure: int = 0
    following: Following | None = None
    ahead: list[Packet] = field(default_factory=list)

    @property
    def ahead_bytes(self) -> int:
        """How many bytes of packets are sorted already."""
        return sum(each.header.caplen for each in self.ahead)
