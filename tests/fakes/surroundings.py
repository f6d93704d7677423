"""A cluster that is as a test says, and says so when it changes."""

import asyncio
from datetime import datetime
from typing import final

from apiserver.resource.selector.nodes import Selector
from apiserver.resource.surroundings import NodeView, SelectedPod, Silence


@final
class FakeSurroundings:
    """Surroundings in the hands of a test; `asked` has every question about pods."""

    def __init__(self, silence: Silence | None = None) -> None:
        self.pods: tuple[SelectedPod, ...] | None = None
        self.gone: dict[str, datetime] = {}
        self.asked: list[tuple[str, str]] = []
        self._silence = silence
        self._changes: asyncio.Queue[frozenset[str]] = asyncio.Queue()

    def change(self, *namespaces: str) -> None:
        """Have a change told."""
        self._changes.put_nowait(frozenset(namespaces))

    def pods_selected(self, namespace: str, selector: Selector) -> tuple[SelectedPod, ...] | None:
        """Return the pods, whatever is asked for."""
        self.asked.append((namespace, str(selector)))
        return self.pods

    def host_network_pods(self, namespace: str, selector: Selector) -> tuple[SelectedPod, ...]:
        """Return none."""
        del namespace, selector
        return ()

    def node(self, name: str) -> NodeView:
        """Return what the test says of a node, and whether it is silent."""
        silent_since = self._silence.silent_since(name) if self._silence else None
        return NodeView(silent_since, self.gone.get(name))

    async def next_change(self) -> frozenset[str]:
        """Wait for the test to tell a change."""
        return await self._changes.get()
