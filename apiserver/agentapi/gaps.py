"""When an endpoint was not captured that should have been (DESIGN 9.2). Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Final

from apiserver.jsontypes import JsonObject, array_at, text_at
from apiserver.microtimes import micro_time_at, render_micro_time

# Of one endpoint.
MAX_GAPS: Final = 10

_MIXED: Final = "Mixed"
_REASON_LENGTH: Final = 64


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which packets passed, if any did, and were neither captured nor counted; and why.

    Between `start` and `end`; `reason` is a word, `Mixed` where several gaps have become one.
    """

    start: datetime
    end: datetime
    reason: str

    def to_json(self) -> JsonObject:
        """Render the entry of `gaps[]`."""
        return {
            "from": render_micro_time(self.start),
            "to": render_micro_time(self.end),
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, document: JsonObject) -> "Gap | None":
        """Read an entry; None where it has no times."""
        start, end = micro_time_at(document, "from"), micro_time_at(document, "to")
        if start is None or end is None:
            return None
        return cls(start, end, text_at(document, "reason")[:_REASON_LENGTH])


def add_gap(gaps: Collection[Gap], gap: Gap) -> tuple[Gap, ...]:
    """Return at most MAX_GAPS gaps: of more, the oldest two become one that spans both."""
    first, *others = (*gaps, gap)
    while len(others) >= MAX_GAPS:
        second, *others = others
        reason = first.reason if first.reason == second.reason else _MIXED
        first = Gap(min(first.start, second.start), max(first.end, second.end), reason)
    return (first, *others)


def gaps_at(document: JsonObject) -> tuple[Gap, ...]:
    """Return the `gaps` of an endpoint's entry, at most MAX_GAPS; what is no gap is left out."""
    read = (Gap.from_json(each) for each in array_at(document, "gaps") if isinstance(each, dict))
    nothing: tuple[Gap, ...] = ()
    return reduce(add_gap, (each for each in read if each is not None), nothing)
