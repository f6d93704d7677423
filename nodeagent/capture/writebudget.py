"""How many more bytes may be written to the disk, by all rings of all threads together.

Whoever grants looks at the disk from time to time; between two looks no more is written than was
granted, however fast packets come. So bytes are reserved before they are written.
"""

import threading
from collections.abc import Callable


class WriteBudget:
    """Bytes that are left, any number of them at first; `tell_spent` is called once when they end."""

    def __init__(self, tell_spent: Callable[[], None]) -> None:
        self._tell_spent = tell_spent
        self._lock = threading.Lock()
        self._left: int | None = None
        self.is_spent = False

    def grant(self, bytes_left: int | None) -> None:
        """Let so many more bytes be written from now on, whatever was left; None for any number."""
        with self._lock:
            self._left = bytes_left
            self.is_spent = False

    def reserve(self, most: int) -> int:
        """Take up to so many bytes out of the budget, and return how many there were."""
        with self._lock:
            if self._left is None:
                return most
            taken = min(most, max(0, self._left))
            self._left -= taken
            return taken

    def settle(self, reserved: int, written: int) -> None:
        """Put back what was reserved and not written; what was written beyond it is taken."""
        with self._lock:
            if self._left is not None:
                self._left += reserved - written

    def refuse(self, needed: int) -> None:
        """Note that a packet does not fit into what is left: that is spent until the next grant.

        `needed` is what was to be reserved; meanwhile there may have been a grant.
        """
        with self._lock:
            if self.is_spent or self._left is None or self._left >= needed:
                return
            self.is_spent = True
        self._tell_spent()
