"""Surroundings that never change, in which every selector selects what the test says."""

import asyncio

from apiserver.resource.selector.nodes import Selector
from apiserver.resource.surroundings import NodeView, SelectedPod

Pods = tuple[SelectedPod, ...]


class KnownPods:
    """Knows the pods that it was given; `selected` None: nobody knows."""

    def __init__(self, selected: Pods | None = None, host_network: Pods = ()) -> None:
        self.selected = selected
        self.host_network = host_network
        self.knows_pods = True

    async def pods_selected(self, _namespace: str, _selector: Selector, /) -> Pods | None:
        return self.selected

    async def host_network_pods(self, _namespace: str, _selector: Selector, /) -> Pods:
        return self.host_network

    def node(self, _name: str, /) -> NodeView:
        return NodeView()

    async def next_change(self) -> frozenset[str]:
        await asyncio.Event().wait()
        return frozenset()
