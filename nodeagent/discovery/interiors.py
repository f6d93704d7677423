"""What the pods' own namespaces have of links, each followed by a task of its own."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from apiserver.upstream.backoff import Backoff, Jitter
from nodeagent.discovery.inside import NamespaceError, following_links_inside
from nodeagent.discovery.link import Link
from nodeagent.discovery.links import LinksError
from nodeagent.discovery.podendpoints import Interior
from nodeagent.discovery.sandbox import WatchedSandbox

_NOT_YET = "the pod's network namespace is about to be looked at"


@dataclass(slots=True, eq=False)
class _Inside:
    """What is known of a namespace; `sandbox` is the newest process that shows it to be the pod's."""

    sandbox: WatchedSandbox
    found: tuple[int, tuple[Link, ...]] | str = _NOT_YET
    task: asyncio.Task[None] | None = None
    is_other: asyncio.Event = field(default_factory=asyncio.Event)


class Interiors:
    """The interiors of pods by uid; `changed` is called when one is another.

    The tasks are those of a group that outlives this, and are cancelled by keeping none.
    """

    def __init__(
        self, tasks: asyncio.TaskGroup, *, changed: Callable[[], None], jitter: Jitter
    ) -> None:
        self._tasks = tasks
        self._changed = changed
        self._jitter = jitter
        self._insides: dict[str, _Inside] = {}

    def find(self, uid: str) -> Interior | str:
        """Return a pod's interior, or why it is not known."""
        inside = self._insides.get(uid)
        if inside is None:
            return _NOT_YET
        if isinstance(inside.found, str):
            return inside.found
        return Interior(inside.sandbox.process, *inside.found)

    def keep(self, sandboxes: Mapping[str, WatchedSandbox]) -> None:
        """Follow the namespaces of these processes, and no others: each is kept alive by that.

        So the number of one that is followed cannot become another's, and a process of that number
        carries on where another ended: the first ones of a sandbox (runc's) live for milliseconds.
        """
        for uid, inside in tuple(self._insides.items()):
            sandbox = sandboxes.get(uid)
            if sandbox is inside.sandbox:
                continue
            if sandbox is not None and sandbox.network == inside.sandbox.network:
                inside.sandbox = sandbox
                inside.is_other.set()
                continue
            assert inside.task is not None
            inside.task.cancel()
            del self._insides[uid]
        for uid, sandbox in sandboxes.items():
            if uid not in self._insides:
                inside = self._insides[uid] = _Inside(sandbox)
                inside.task = self._tasks.create_task(self._follow(inside))

    async def _follow(self, inside: _Inside) -> None:
        """Note what is there, again and again; until this is cancelled."""
        pauses = Backoff(self._jitter)
        while True:
            inside.is_other.clear()
            try:
                await self._follow_once(inside)
            except* (NamespaceError, LinksError) as group:
                inside.found = str(group.exceptions[0])
                self._changed()
            # Another process of the namespace may lead there at once.
            with suppress(TimeoutError):
                async with asyncio.timeout(pauses.next_delay()):
                    await inside.is_other.wait()

    async def _follow_once(self, inside: _Inside) -> None:
        async with following_links_inside(inside.sandbox.sandbox) as (links, inode):
            async for current in links:
                inside.found = inode, tuple(current.values())
                self._changed()
