"""How long to wait before trying again. Pure; the randomness is an argument."""

from collections.abc import Callable
from typing import Final, TypeAlias

# Gives a number between two bounds, as `random.uniform` does.
Jitter: TypeAlias = Callable[[float, float], float]

FIRST_SECONDS: Final = 0.5
LONGEST_SECONDS: Final = 30.0


class Backoff:
    """Waits that double up to a bound, each between half and the whole of its step."""

    def __init__(
        self,
        jitter: Jitter,
        *,
        first_seconds: float = FIRST_SECONDS,
        longest_seconds: float = LONGEST_SECONDS,
    ) -> None:
        self._jitter = jitter
        self._first = first_seconds
        self._longest = longest_seconds
        self._step = first_seconds

    def next_delay(self, *, at_least: float = 0.0) -> float:
        """Return the next wait in seconds; `at_least` is what the server asked for."""
        step = self._step
        self._step = min(step * 2, self._longest)
        return min(max(self._jitter(step / 2, step), at_least), self._longest)

    def reset(self) -> None:
        """Begin anew, after a success."""
        self._step = self._first
