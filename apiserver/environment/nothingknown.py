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

    @property
    def knows_pods(self) -> bool:
        """False: only agents speak of pods."""
        return False

    async def pods_selected(
        self, namespace: str, selector: Selector
    ) -> tuple[SelectedPod, ...] | None:
        """Return None: nobody knows."""
        del namespace, selector
        return None

    async def host_network_pods(
        self, namespace: str, selector: Selector
    ) -> tuple[SelectedPod, ...]:
        """Return none."""
        del namespace, selector
        return ()

    def node(self, name: str) -> NodeView:
        """Return whether the node's agent is silent, where that is known."""
        silence = self._silence
        if silence is None:
            return NodeView()
        return NodeView(silent_since=silence.silent_since(name), is_heard=silence.is_heard(name))

    async def next_change(self) -> frozenset[str]:
        """Wait for ever."""
        await asyncio.get_running_loop().create_future()
        raise AssertionError("nothing completes this")
