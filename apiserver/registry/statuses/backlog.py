"""Which statuses are to be written, when, and which first.

There are three queues. What nodes reported is written apart from what is only to be looked at again: a
change in a cluster may concern every capture, and what an agent says of one must not wait until all are
looked at. And what takes long, because of how large it is, keeps nobody waiting but its like.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from heapq import heappop, heappush
from typing import Final, final

from apiserver.registry.statuses.statuswriting import CaptureIdentity
from apiserver.resource.status.merging import NodeStatus, is_older


class Queue(Enum):
    """Where a work waits."""

    REPORTED = "a node has said something"
    LOOKED_AT = "something may have changed"
    LONG = "takes long"


@dataclass(slots=True)
class Work:
    """What the nodes said of one capture since its last write; `due` in monotonic seconds."""

    subject: CaptureIdentity
    due: float
    nodes: dict[str, NodeStatus] = field(default_factory=dict)
    takes_long: bool = False

    @property
    def queue(self) -> Queue:
        """Where it waits, by what is known of it."""
        if self.takes_long:
            return Queue.LONG
        return Queue.REPORTED if self.nodes else Queue.LOOKED_AT


@final
class Backlog:
    """The works of all captures; each capture has one at most, and one that is being done."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic: Final = monotonic
        # Bounded by the number of captures that exist: each is checked before it is taken.
        self._works: dict[str, Work] = {}
        self._begun: set[str] = set()
        # In the order of when they are due. What is said here of a work that is due at another time
        # by now, or elsewhere, or done, counts for nothing.
        self._order: dict[Queue, list[tuple[float, str]]] = {each: [] for each in Queue}
        self._changed = asyncio.Event()

    def holds(self, uid: str) -> bool:
        """Tell whether a status is about to be written."""
        return uid in self._works or uid in self._begun

    def waits(self, uid: str) -> bool:
        """Tell whether there is something to do that nobody does yet."""
        return uid in self._works

    def add(self, subject: CaptureIdentity, due: float, said: NodeStatus | None = None) -> None:
        """Have a status written, when it is `due` or was anyway, with what a node said newest."""
        work = self._works.get(subject.uid)
        is_new = work is None
        if work is None:
            work = self._works[subject.uid] = Work(subject, due)
        was = (work.due, work.queue)
        work.due = min(work.due, due)
        if said is not None:
            noted = work.nodes.get(said.node)
            if noted is None or not is_older(said, noted.boot_id, noted.sequence):
                work.nodes[said.node] = said
        if is_new or was != (work.due, work.queue):
            self._put_in_order(work)

    def put_back(self, work: Work, due: float) -> None:
        """Have what could not be done be done later, under whatever was said since."""
        newer = self._works.setdefault(work.subject.uid, work)
        newer.nodes = work.nodes | newer.nodes
        newer.due, newer.takes_long = due, newer.takes_long or work.takes_long
        self._put_in_order(newer)

    async def next_due(self, queue: Queue) -> Work:
        """Wait for a work that is due, and return it; `doing` it is for the caller, at once."""
        order = self._order[queue]
        while True:
            self._changed.clear()
            while order and not self._is_in_order(order[0], queue):
                heappop(order)
            delay = order[0][0] - self._monotonic() if order else None
            if delay is not None and delay <= 0:
                return self._works.pop(heappop(order)[1])
            try:
                async with asyncio.timeout(delay):
                    await self._changed.wait()
            except TimeoutError:
                pass

    @contextmanager
    def doing(self, work: Work) -> Iterator[None]:
        """Keep others from the same capture for as long as the block lasts."""
        uid = work.subject.uid
        self._begun.add(uid)
        try:
            yield
        finally:
            self._begun.discard(uid)
            if uid in self._works:
                self._put_in_order(self._works[uid])

    def _is_in_order(self, place: tuple[float, str], queue: Queue) -> bool:
        due, uid = place
        work = self._works.get(uid)
        if work is None or uid in self._begun:
            return False
        return work.due == due and work.queue is queue

    def _put_in_order(self, work: Work) -> None:
        heappush(self._order[work.queue], (work.due, work.subject.uid))
        self._changed.set()
