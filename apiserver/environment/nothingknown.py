"""Surroundings where there is no cluster: no pods are known, and of nodes only what agents say."""

import asyncio
from typing import final

from apiserver.resource.selector.nodes import Selector
from apiserver.resource.surroundings import NodeView, SelectedPod, Silence


@final
class NothingKnown:
    """Surroundings of a server that knows its agents' reports and nothing else."""

    def __init__(self, silence: Silence | None = None) -> None:
        self._silence = silence

    def pods_selected(self, namespace: str, selector: Selector) -> tuple[SelectedPod, ...] | None:
        """Return None: nobody knows."""
        del namespace, selector
        return None

    def host_network_pods(self, namespace: str, selector: Selector) -> tuple[SelectedPod, ...]:
        """Return none."""
        del namespace, selector
        return ()

    def node(self, name: str) -> NodeView:
        """Return whether the node's agent is silent, where that is known."""
        return NodeView(silent_since=self._silence.silent_since(name) if self._silence else None)

    async def next_change(self) -> frozenset[str]:
        """Wait for ever."""
        await asyncio.get_running_loop().create_future()
        raise AssertionError("nothing completes this")
