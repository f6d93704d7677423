"""Which endpoints captures select, and what they let pass there, found once. Pure.

A plan is made whenever anything happens, and every few seconds; pods and captures change far less
often. A selector of the greatest size takes three milliseconds an endpoint, a filter a third of one:
whoever has other things to do meanwhile finds in slices.
"""

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, final

from apiserver.resource.filters import NoMatchError, PacketFilter, packet_filter
from apiserver.resource.types import CaptureUID, PacketCapture
from nodeagent.discovery.endpoints import Endpoint, EndpointPort

# The selected ones, each with its filter: None where no packet can pass.
Selected: TypeAlias = Mapping[Endpoint, PacketFilter | None]

_NOTHING: Final[Selected] = {}

# Characters of a selector times endpoints that are looked at in one go: some 10 ms.
_SLICE_CHARACTERS: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class _Found:
    """What a capture selects of some endpoints."""

    capture: PacketCapture
    endpoints: Sequence[Endpoint]
    selected: Selected


@final
class Selections:
    """What captures select of `endpoints`, which may be set anew; what was found is remembered."""

    def __init__(self, endpoints: Sequence[Endpoint] = ()) -> None:
        self.endpoints = endpoints
        self._found: dict[CaptureUID, _Found] = {}

    def of(self, capture: PacketCapture) -> Selected:
        """Return what a capture selects; endpoints that were there before are not asked about again."""
        for _ in self._find(capture):
            pass
        return self._found[capture.uid].selected

    def finding(self, captures: Collection[PacketCapture]) -> Iterator[None]:
        """Find what captures select, in slices: there may be a pause wherever this yields.

        It yields nothing if all is known.
        """
        for capture in captures:
            yield from self._find(capture)

    def _find(self, capture: PacketCapture) -> Iterator[None]:
        endpoints = self.endpoints
        known = self._found.get(capture.uid)
        before = known if known is not None and known.capture is capture else None
        if before is not None and before.endpoints is endpoints:
            return
        selected = yield from _selected(capture, endpoints, before)
        self._found[capture.uid] = _Found(capture, endpoints, selected)
        yield

    def keep(self, captures: Collection[PacketCapture]) -> None:
        """Forget all but these."""
        uids = {each.uid for each in captures}
        self._found = {uid: found for uid, found in self._found.items() if uid in uids}


def _selected(
    capture: PacketCapture, endpoints: Sequence[Endpoint], before: _Found | None
) -> Generator[None, None, Selected]:
    selected = before.selected if before else _NOTHING
    refused = {*before.endpoints} - {*selected} if before else set[Endpoint]()
    selector = capture.spec.selector
    matching: list[Endpoint] = []
    left = _SLICE_CHARACTERS
    for each in endpoints:
        if each.namespace != capture.namespace or each in refused:
            continue
        if each in selected:
            matching.append(each)
            continue
        if selector.matches(each.labels):
            matching.append(each)
        left -= len(selector.canonical)
        if left <= 0:
            yield
            left = _SLICE_CHARACTERS
    # The pods of one Deployment give the same names to the same ports.
    filters: dict[tuple[EndpointPort, ...], PacketFilter | None] = {}
    for each in matching:
        if each.ports not in filters:
            filters[each.ports] = selected.get(each) or _filter(capture, each)
    return {each: filters[each.ports] for each in matching}


def _filter(capture: PacketCapture, endpoint: Endpoint) -> PacketFilter | None:
    try:
        return packet_filter(capture.spec, endpoint.named_ports)
    except NoMatchError:
        return None
