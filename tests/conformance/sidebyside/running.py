"""A scenario, sent to both sides."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from apiserver.jsontypes import JsonObject, JsonValue, object_at, text_at
from tests.conformance.sidebyside.comparison import Difference, compare, compare_events
from tests.conformance.sidebyside.exchange import KubeApiserver, Side
from tests.conformance.sidebyside.normal import Said, Symbols
from tests.conformance.sidebyside.steps import Scenario, Step, capture, create, get

_LAST = "the-last-of-all"


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """A difference, and the request that shows it."""

    request: str
    difference: Difference


class Both:
    """The two sides, side by side; each request goes to both at once."""

    def __init__(self, server: KubeApiserver, namespace: str) -> None:
        self._sides = tuple(Side(server, namespace, mirror=each) for each in (False, True))
        self._symbols = tuple(Symbols() for _ in self._sides)
        self._pool = ThreadPoolExecutor(len(self._sides))

    def close(self) -> None:
        """End the connections."""
        for side in self._sides:
            side.close()
        self._pool.shutdown()

    def send(self, step: Step) -> tuple[Said, Said]:
        """Return what the two say: ours, theirs."""
        answers = self._pool.map(lambda side: side.send(step), self._sides)
        ours, theirs = (
            symbols.said(answer) for symbols, answer in zip(self._symbols, answers, strict=True)
        )
        return ours, theirs

    @contextmanager
    def watched(self) -> Iterator[list[Difference]]:
        """Watch both while the block lasts; afterwards the list has what the watches differ in."""
        different: list[Difference] = []
        (listed, _) = self.send(get("where the watch begins"))
        assert object_at(_document(listed), "metadata"), listed
        with ExitStack() as stack:
            watches = [
                stack.enter_context(side.watching("resourceVersion=<version of the list>"))
                for side in self._sides
            ]
            yield different
            self.send(create("the last of all", capture(_LAST, {})))
            ours, theirs = (
                [symbols.normal(event) for event in _until_last(events)]
                for symbols, events in zip(self._symbols, watches, strict=True)
            )
            different.extend(compare_events(ours, theirs))


@contextmanager
def both_sides(server: KubeApiserver, namespace: str) -> Iterator[Both]:
    """Have both sides, in a namespace that exists, for the length of a block."""
    both = Both(server, namespace)
    try:
        yield both
    finally:
        both.close()


def run(scenario: Scenario, both: Both) -> list[Found]:
    """Send all the steps of a scenario; return what was different."""
    found: list[Found] = []
    with ExitStack() as stack:
        events = stack.enter_context(both.watched()) if scenario.watched else []
        for step in scenario.steps:
            found += [Found(scenario.name(step), each) for each in compare(*both.send(step))]
    return found + [Found(f"{scenario.title}: its watch", each) for each in events]


def _until_last(events: Iterator[JsonObject]) -> Iterator[JsonValue]:
    for event in events:
        yield event
        metadata = object_at(object_at(event, "object"), "metadata")
        if text_at(metadata, "name") == _LAST:
            return
    raise AssertionError("a watch ended too early")


def _document(said: Said) -> JsonObject:
    return said.body if isinstance(said.body, dict) else {}
