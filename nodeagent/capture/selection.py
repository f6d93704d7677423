"""Which endpoints captures select, and what they let pass there, found once. Pure.

A plan is made whenever anything happens, and every few seconds; pods and captures change far less
often. A selector of 10,000 operands takes a millisecond an endpoint, a filter of the greatest size a
third of one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, final

from apiserver.resource.filters import NoMatchError, PacketFilter, packet_filter
from apiserver.resource.types import CaptureUID, PacketCapture
from nodeagent.discovery.endpoints import Endpoint, EndpointPort

# The selected ones, each with its filter: None where no packet can pass.
Selected: TypeAlias = Mapping[Endpoint, PacketFilter | None]

_NOTHING: Final[Selected] = {}


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
        endpoints = self.endpoints
        known = self._found.get(capture.uid)
        if known is not None and known.capture is capture and known.endpoints is endpoints:
            return known.selected
        before = known if known is not None and known.capture is capture else None
        selected = _selected(capture, endpoints, before)
        self._found[capture.uid] = _Found(capture, endpoints, selected)
        return selected

    def keep(self, captures: Collection[PacketCapture]) -> None:
        """Forget all but these."""
        uids = {each.uid for each in captures}
        self._found = {uid: found for uid, found in self._found.items() if uid in uids}


def _selected(
    capture: PacketCapture, endpoints: Sequence[Endpoint], before: _Found | None
) -> Selected:
    selected = before.selected if before else _NOTHING
    refused = {*before.endpoints} - {*selected} if before else set[Endpoint]()
    matching = [
        each
        for each in endpoints
        if each.namespace == capture.namespace
        and each not in refused
        and (each in selected or capture.spec.selector.matches(each.labels))
    ]
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
