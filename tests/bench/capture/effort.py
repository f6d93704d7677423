"""How long everything is measured."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """Rounds, of which each side has one in turns; and how much is sent in one."""

    rounds: int = 5
    packets: int = 1_000_000
    stream_bytes: int = 2 << 30
    busy_seconds: float = 5
    idle_seconds: float = 20
    objects: int = 100


QUICK = Effort(
    rounds=3, packets=300_000, stream_bytes=1 << 30, busy_seconds=2, idle_seconds=5, objects=20
)
