"""How much the server does at once. Who comes when all places are taken is sent away, and never waits.

Requests in flight are bounded as by kube-apiserver (apiserver-protocol 10.5). What lasts as long as its
client wants is not: of that each user may have a share, so that nobody has all there is.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from apiserver.auth.access import POD_UID_EXTRA
from apiserver.auth.identity import MASTERS, User
from apiserver.wire.request import RequestInfo

# kube-apiserver's text and time for a request that is one too many.
_BUSY = "Too many requests, please try again later."
_BUSY_SECONDS = 1
# What lasts makes room less often.
_FULL_SECONDS = 5

_READS = frozenset({"get", "list", "watch"})

# In .../files/NODE/FILE they follow the subresource; a listing is a request as any other.
_NODE_AND_FILE = 2


class BusyError(Exception):
    """There is no place; in so many seconds there may be one."""

    def __init__(self, reason: str, retry_after_seconds: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that there may be at once; 0 is as much as comes."""

    read_only: int = 400
    mutating: int = 200
    watches: int = 10_000
    watches_per_user: int = 500


def is_long_running(info: RequestInfo) -> bool:
    """Say whether a request takes as long as its client wants: a watch, the download of a file."""
    return info.verb == "watch" or (
        info.subresource == "files" and len(info.rest) == _NODE_AND_FILE and info.verb == "get"
    )


class InFlight:
    """Requests of one kind that are under way."""

    def __init__(self, bound: int, monotonic: Callable[[], float]) -> None:
        self._bound = bound
        self._monotonic = monotonic
        self._taken = 0
        self._second = 0
        self._peak = 0
        self._peak_before = 0

    @contextmanager
    def place(self, user: User) -> Iterator[None]:
        """Have a place in the block. Raises BusyError, but never for whoever may repair the cluster."""
        if 0 < self._bound <= self._taken and MASTERS not in user.groups:
            raise BusyError(_BUSY, _BUSY_SECONDS)
        self._turn()
        self._taken += 1
        self._peak = max(self._peak, self._taken)
        try:
            yield
        finally:
            self._turn()
            self._taken -= 1

    def peak(self) -> int:
        """Return the most that were under way at once in the last second, or little more."""
        match int(self._monotonic()) - self._second:
            case 0:
                return max(self._peak, self._peak_before)
            case 1:
                return max(self._peak, self._taken)
            case _:
                return self._taken

    def _turn(self) -> None:
        second = int(self._monotonic())
        if second != self._second:
            self._peak_before = self._peak if second == self._second + 1 else self._taken
            self._peak = self._taken
            self._second = second


class Shares:
    """Places for what lasts. One user has a share of them, and each pod of a ServiceAccount its own.

    Nodes' agents are one ServiceAccount: counted by its name alone they would have one share together.
    """

    def __init__(
        self, what: str, *, total: int, each: int, flags: tuple[str, str] = ("", "")
    ) -> None:
        """`what` are they, in the plural; `flags` are those of `total` and of `each`, if any."""
        self._what = what
        self._total = total
        self._each = each
        self._flags = flags
        self._taken: Counter[tuple[str, ...]] = Counter()
        self._all_taken = 0

    @contextmanager
    def place(self, user: User) -> Iterator[None]:
        """Have a place in the block. Raises BusyError, for everybody: what lasts takes memory."""
        holder = (user.name, *user.extra.get(POD_UID_EXTRA, ()))
        self._require_place(user, holder)
        self._taken[holder] += 1
        self._all_taken += 1
        try:
            yield
        finally:
            self._all_taken -= 1
            self._taken[holder] -= 1
            if not self._taken[holder]:
                del self._taken[holder]

    def _require_place(self, user: User, holder: tuple[str, ...]) -> None:
        of_all, of_each = (
            f", or raise {flag} of this server" if flag else "" for flag in self._flags
        )
        if 0 < self._each <= self._taken[holder]:
            raise BusyError(
                f'Too many {self._what}: user "{user.name}" has {self._each} open here, as many as '
                f"one may have. End some of them{of_each}",
                _FULL_SECONDS,
            )
        if 0 < self._total <= self._all_taken:
            raise BusyError(
                f"Too many {self._what}: {self._total} are open here, as many as there may be. "
                f"Try again later{of_all}",
                _FULL_SECONDS,
            )


class Limits:
    """The bounds of one server."""

    def __init__(
        self, bounds: Bounds | None = None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        bounds = bounds or Bounds()
        self.read_only = InFlight(bounds.read_only, monotonic)
        self.mutating = InFlight(bounds.mutating, monotonic)
        self._watches = Shares(
            "watches",
            total=bounds.watches,
            each=bounds.watches_per_user,
            flags=("--max-watches", "--max-watches-per-user"),
        )

    def place(self, user: User, info: RequestInfo) -> AbstractContextManager[None]:
        """Return a block in which the request may be answered. Entering it raises BusyError."""
        if info.verb == "watch":
            return self._watches.place(user)
        if is_long_running(info):
            # Who streams it counts it.
            return nullcontext()
        kind = self.read_only if info.verb in _READS else self.mutating
        return kind.place(user)
