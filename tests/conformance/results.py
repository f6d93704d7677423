"""What the tests found, and the table of it in the documentation."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self, TypeAlias

import pytest

from tests.conformance.checks import CHECKS, GROUPS, MISSING, group_of
from tests.conformance.doors import DOORS
from tests.support.standalone import ROOT

DOCUMENT: Final = ROOT / "docs" / "conformance.md"
FOUND: Final = ROOT / "build" / "conformance.json"

# Whether all tests passed, at each door; "" where a test takes none.
Outcome: TypeAlias = dict[str, bool]

_HEAD: Final = """\
# Conformance

What clients of Kubernetes rely on, as 125 numbered checks, and the clients themselves.

`tests/conformance` runs the checks against the server as a process of its own, registered with a real kube-apiserver
(with etcd, the garbage collector, the namespace controller and all): directly at the server's own port, and through
kube-apiserver. This page is what a whole run found, written by `make update`; a run that finds anything else fails.
"Passes" alone is said of what is the same by both ways, or goes one way only.
"""


@dataclass(slots=True)
class Results:
    """Outcomes per check, and per client and what it does. `is_whole`: every test takes part."""

    checks: defaultdict[int, Outcome] = field(default_factory=lambda: defaultdict(dict))
    clients: defaultdict[tuple[str, str], Outcome] = field(
        default_factory=lambda: defaultdict(dict)
    )
    is_whole: bool = False

    @classmethod
    def read(cls, text: str) -> Self:
        """Return what `to_json` has written."""
        document, results = json.loads(text), cls(is_whole=True)
        results.checks.update({int(number): each for number, each in document["checks"].items()})
        results.clients.update({(name, does): each for name, does, each in document["clients"]})
        return results

    def to_json(self) -> str:
        """Return all outcomes as text."""
        clients = [[name, does, each] for (name, does), each in self.clients.items()]
        return json.dumps({"checks": self.checks, "clients": clients}, indent=1)

    def note(self, item: pytest.Item, *, passed: bool) -> None:
        """Take down what happened to a test: its setup, itself, or its teardown."""
        call = getattr(item, "callspec", None)
        door = call.params.get("door", "") if call else ""
        outcomes = [
            self.checks[number] for mark in item.iter_markers("check") for number in mark.args
        ]
        outcomes += [self.clients[mark.args] for mark in item.iter_markers("client")]
        for outcome in outcomes:
            outcome[door] = outcome.get(door, True) and passed

    def document(self) -> str:
        """Return the whole page."""
        parts = [_HEAD]
        for letter, title in GROUPS.items():
            rows = [_check(n, self.checks.get(n, {})) for n in CHECKS if group_of(n) == letter]
            parts.append(_table(f"{letter}. {title}", ("#", "Check", "Result"), rows))
        if self.clients:
            rows = [
                f"| {name} | {does} | {_said(each)} |"
                for (name, does), each in sorted(self.clients.items())
            ]
            parts.append(_table("Clients", ("Client", "What it does", "Result"), rows))
        return "\n".join(parts)


def _table(title: str, heads: tuple[str, ...], rows: list[str]) -> str:
    lines = [f"## {title}", "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *rows]
    return "".join(f"{line}\n" for line in lines)


def _check(number: int, outcome: Mapping[str, bool]) -> str:
    said = [_said(outcome)] if outcome else []
    if number in MISSING:
        said.append(f"{'a part of it ' if outcome else ''}{MISSING[number]}")
    return f"| {number} | {CHECKS[number]} | {'; '.join(said) or 'not tested yet'} |"


def _said(outcome: Mapping[str, bool]) -> str:
    if not all(outcome.values()):
        where = sorted(door for door, passed in outcome.items() if door and not passed)
        return f"**fails** ({', '.join(where)})" if where else "**fails**"
    both = outcome.keys() >= set(DOORS)
    return "passes directly and through kube-apiserver" if both else "passes"
