"""How large a ring may be, where all rings together have a budget. Pure.

The kernel's memory for a ring is neither swapped nor counted as the process's, so it is counted here.
A ring covers the time for which its reader has no processor: 32 MiB are 30 ms at 1 GB/s. It cannot be
resized, so the first ones leave room for many more: each size, from the largest down by halves, has an
equal part of the budget. Of 1 GiB, 6 rings have 32 MiB, 13 have 16, 26 have 8, 52 have 4 and 104 have 2.

(TCP at 1.5 GB/s in frames of 44 KB, two processors for sender, receiver and capture: of the packets,
tcpdump with its 2 MiB lost 17 %; a ring of 8 MiB 9.5 %, one of 16 MiB 3.4 %, and one of 32 MiB 1.5 %.
Opening one of 32 MiB takes 20 ms, one of 2 MiB 8 ms.)
"""

from collections.abc import Sequence
from typing import Final

from nodeagent.libpcap.errors import CaptureError
from nodeagent.libpcap.ringview import BLOCK_BYTES

_MIB: Final = 1024 * 1024

LARGEST_RING_BYTES: Final = 32 * _MIB
SMALLEST_RING_BYTES: Final = 2 * _MIB
DEFAULT_BUDGET_BYTES: Final = 1024 * _MIB


class RingBudgetError(CaptureError):
    """There is no memory left for another ring: `budget_bytes` in all, of which `used_bytes` are used."""

    def __init__(self, interface: str, *, budget_bytes: int, used_bytes: int) -> None:
        super().__init__(
            interface,
            "open",
            f"a ring takes at least {SMALLEST_RING_BYTES} bytes, and of the {budget_bytes} for all "
            f"rings of this node {used_bytes} are in use",
        )
        self.budget_bytes = budget_bytes
        self.used_bytes = used_bytes


class RingBudget:
    """Bytes for all rings, at most `budget_bytes`; those of rings being opened or closed are among them."""

    def __init__(self, budget_bytes: int, *, largest_bytes: int = LARGEST_RING_BYTES) -> None:
        self.budget_bytes = budget_bytes
        self._sizes = ring_sizes(largest_bytes)
        self._used_bytes = 0

    @property
    def used_bytes(self) -> int:
        """How many bytes all rings have."""
        return self._used_bytes

    def take(self, interface: str) -> int:
        """Return the size of another ring, which is given back once.

        Raises:
            RingBudgetError: not even the smallest fits.
        """
        size = next_size(self._sizes, budget=self.budget_bytes, used=self._used_bytes)
        if size is None:
            raise RingBudgetError(
                interface, budget_bytes=self.budget_bytes, used_bytes=self._used_bytes
            )
        self._used_bytes += size
        return size

    def give_back(self, size: int) -> None:
        """Note that a ring of this size is no more."""
        self._used_bytes -= size


def ring_sizes(largest_bytes: int) -> tuple[int, ...]:
    """Return the sizes that rings have, in whole blocks, the largest first and then by halves."""
    sizes = []
    size = largest_bytes
    while size > SMALLEST_RING_BYTES:
        sizes.append(size // BLOCK_BYTES * BLOCK_BYTES)
        size //= 2
    return (*sizes, SMALLEST_RING_BYTES)


def next_size(sizes: Sequence[int], *, budget: int, used: int) -> int | None:
    """Return how large the next ring is where so much is used; None where too little is left."""
    for number, size in enumerate(sizes, 1):
        if used + size <= budget * number // len(sizes):
            return size
    return sizes[-1] if used + sizes[-1] <= budget else None
