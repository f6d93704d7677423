"""What is declared to differ: decisions as values, and how they meet what was found."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tests.conformance.sidebyside.running import Found

_ANYTHING = "…"


@dataclass(frozen=True, slots=True)
class Declared:
    """A difference that is there on purpose. In each part `…` stands for anything.

    `request` is one of the suite, as `SCENARIO: STEP`, or `SCENARIO: its watch`.
    """

    request: str
    aspect: str
    ours: str
    theirs: str

    def explains(self, found: Found) -> bool:
        """Say whether this is the difference that was found."""
        difference = found.difference
        return (
            _matches(self.request, found.request)
            and _matches(self.aspect, difference.aspect)
            and _matches(self.ours, difference.ours)
            and _matches(self.theirs, difference.theirs)
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """Why we differ, and all the requests of the suite that show it."""

    title: str
    reason: str
    differences: tuple[Declared, ...]


def decision(title: str, reason: str, *differences: tuple[str, str, str, str]) -> Decision:
    """Return a decision; each difference is a request, an aspect, and what is ours and theirs."""
    return Decision(title, reason, tuple(Declared(*each) for each in differences))


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found though nobody declared it, and what was declared but not found."""

    undeclared: tuple[Found, ...]
    gone: tuple[Declared, ...]


def judge(found: Iterable[Found], declared: Iterable[Declared]) -> Judgement:
    """Hold what a scenario has shown against what is declared of it."""
    found, declared = list(found), list(declared)
    return Judgement(
        tuple(each for each in found if not any(one.explains(each) for one in declared)),
        tuple(one for one in declared if not any(one.explains(each) for each in found)),
    )


def _matches(pattern: str, text: str) -> bool:
    parts = map(re.escape, pattern.split(_ANYTHING))
    return re.fullmatch(".*".join(parts), text, re.DOTALL) is not None
