"""A cluster that is as a test says, and says so when it changes."""

import asyncio
from datetime import datetime
from typing import final

from apiserver.resource.selector.nodes import Selector
from apiserver.resource.surroundings import NodeView, SelectedPod, Silence


@final
class FakeSurroundings:
    """Surroundings in the hands of a test; `asked` has every question about pods.

    Where there are none, nobody will ever know any, unless it `is_learning`.
    """

    def __init__(self, silence: Silence | None = None) -> None:
        self.pods: tuple[SelectedPod, ...] | None = None
        self.gone: dict[str, datetime] = {}
        self.is_learning = False
        self.present: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        self._silence = silence
        self._changes: asyncio.Queue[frozenset[str]] = asyncio.Queue()

    def change(self, *namespaces: str) -> None:
        """Have a change told."""
        self._changes.put_nowait(frozenset(namespaces))

    @property
    def knows_pods(self) -> bool:
        """Tell whether there are any, or are going to be."""
        return self.pods is not None or self.is_learning

    async def pods_selected(
        self, namespace: str, selector: Selector
    ) -> tuple[SelectedPod, ...] | None:
        """Return the pods, whatever is asked for."""
        self.asked.append((namespace, str(selector)))
        return self.pods

    async def host_network_pods(
        self, namespace: str, selector: Selector
    ) -> tuple[SelectedPod, ...]:
        """Return none."""
        del namespace, selector
        return ()

    def node(self, name: str) -> NodeView:
        """Return what the test says of a node, and whether it is silent."""
        silence = self._silence
        return NodeView(
            silence.silent_since(name) if silence else None,
            self.gone.get(name),
            is_present=name in self.present,
            is_heard=silence.is_heard(name) if silence else False,
        )

    async def next_change(self) -> frozenset[str]:
        """Wait for the test to tell a change."""
        return await self._changes.get()
