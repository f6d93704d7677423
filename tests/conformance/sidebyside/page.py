"""docs/differences.md, as text."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tests.conformance.sidebyside.differences import Decision
from tests.conformance.sidebyside.steps import Scenario

PAGE = Path(__file__).parents[3] / "docs" / "differences.md"

_LONGEST = 160

_INTRODUCTION = """\
# Where we differ

The same requests go to our `packetcaptures.projectcalico.org` and to a CustomResourceDefinition made from the same
schema, both behind the same kube-apiserver, and everything in the answers is compared: code, reason, message,
causes, headers, the object, and what a watch sees ({requests} requests in {scenarios} scenarios, and random ones).
Uids, versions and times are compared by what they belong to, and not by their values.

Whatever is not on this page is equal. A difference that is not here fails the tests, and so does one here that
is no more. `…` stands for any text: alone, for any request.
This page is written by `python -m tests.conformance.sidebyside`.
"""


def page(decisions: Iterable[Decision], scenarios: Sequence[Scenario]) -> str:
    """Return the page about what the scenarios show; it ends with a newline."""
    requests = sum(len(each.steps) for each in scenarios)
    introduction = _INTRODUCTION.format(scenarios=len(scenarios), requests=requests)
    return "\n".join([introduction, *(line for each in decisions for line in _section(each))])


def _section(decision: Decision) -> Iterator[str]:
    yield f"## {decision.title}\n"
    yield f"{decision.reason}\n"
    yield "| Requests | What | Ours | A CRD's |"
    yield "|---|---|---|---|"
    alike: dict[tuple[str, str, str], list[str]] = {}
    for each in decision.differences:
        alike.setdefault((each.aspect, each.ours, each.theirs), []).append(each.request)
    for (aspect, ours, theirs), requests in alike.items():
        cells = ("<br>".join(requests), aspect, _cell(ours), _cell(theirs))
        yield f"| {' | '.join(cells)} |"
    yield ""


def _cell(text: str) -> str:
    """Return a text as code that fits a cell of a table."""
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    escaped = shown.replace("|", "\\|").replace("`", "'").replace("\n", " ")
    return f"`{escaped}`"
