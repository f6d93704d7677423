"""The table: what was measured on both sides, and whether the goal is met."""

from collections.abc import Iterable
from dataclasses import dataclass

_HEAD = "| work | ours | tcpdump | ratio | goal |\n|---|--:|--:|--:|--:|"


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement: texts for people, and the verdict."""

    work: str
    ours: str
    theirs: str
    ratio: str
    goal: str
    met: bool

    def __str__(self) -> str:
        """Return a line of a Markdown table; a missed goal stands out."""
        goal = self.goal if self.met else f"**{self.goal}: missed**"
        return f"| {self.work} | {self.ours} | {self.theirs} | {self.ratio} | {goal} |"


def compared(work: str, ours: float, theirs: float, *, unit: str, limit: float) -> Row:
    """Return the row of two figures of which ours may be `limit` times theirs: 0 where theirs is 0."""
    ratio = f"{ours / theirs:.2f}" if theirs > 0 else "-"
    shown = unit.format(ours), unit.format(theirs)
    return Row(work, *shown, ratio, f"<= {limit:.1f}", ours <= limit * theirs)


def bounded(
    work: str, ours: float, theirs: float | None, *, unit: str, below: float, goal: str
) -> Row:
    """Return the row of a figure of ours that has to be below a bound, whatever theirs is."""
    beside = "" if theirs is None else unit.format(theirs)
    return Row(work, unit.format(ours), beside, "", goal, ours < below)


def table(rows: Iterable[Row]) -> str:
    """Return the table."""
    return "\n".join([_HEAD, *map(str, rows)])


def summary(rows: list[Row]) -> str:
    """Return the one line that says how many goals are met, and which are not."""
    missed = [row.work for row in rows if not row.met]
    said = f"{len(rows) - len(missed)} of {len(rows)} goals met"
    return f"{said}; missed: {'; '.join(missed)}" if missed else said
