"""The capture threads: one that all rings begin with, and further ones for what is too much for it.

A thread that has hardly time to sleep, and for which rings fill up, gives about half of its load to one
without rings; that one gives them back when they are idle again. A ring moves between two rounds, so nothing of it is lost or
doubled: what was read is in its file, what was not waits in the kernel's ring.

(Six interfaces with 60,000 packets of 1,400 bytes per second each, on two processors that the senders
kept busy: one thread lost 9 % of the packets, two lost 2 %, for the same processor time per packet;
twenty with 10,000 each: 37 % and 25 %, for a fifth more. Two interfaces are no trouble for one thread.)
"""

import os
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future
from functools import partial

from nodeagent.capture.allowance import Allowance
from nodeagent.capture.commands import Result
from nodeagent.capture.counters import Counters
from nodeagent.capture.events import Event
from nodeagent.capture.ring import Ring
from nodeagent.capture.rotation import Rotation
from nodeagent.capture.thread import CaptureThread
from nodeagent.capture.workload import Load, find_surplus, is_idle
from nodeagent.capture.writebudget import WriteBudget
from nodeagent.libpcap.program import Program

# What is done with a ring, in the thread that reads it.
_Work = Callable[[CaptureThread, Future[Result]], None]


class Crew:
    """Runs rings in threads. Its methods may be called from any thread; their futures always resolve."""

    def __init__(
        self,
        tell: Callable[[Ring, Event], None],
        tell_counted: Callable[[Collection[Ring]], None],
        budget: WriteBudget,
    ) -> None:
        self._tell = tell
        self._tell_counted = tell_counted
        self._budget = budget
        # Where rings are that have moved. It is right about a ring or will soon be: whoever does not
        # find the ring there asks again.
        self._homes: dict[Ring, CaptureThread] = {}
        self._opening = threading.Lock()
        self._others: list[CaptureThread] = []
        self._most_others = max(1, len(os.sched_getaffinity(0)) - 1)
        self.most_threads = 1 + self._most_others
        self._first = self._make_thread("capture")
        self._first.start()

    def add(self, ring: Ring) -> Future[None]:
        """Begin to read `ring`."""
        return self._first.submit(partial(self._first.add, ring))

    def stop(self, ring: Ring) -> Future[Counters]:
        """Let nothing more into `ring`, read what is in it, close its file and forget it."""
        return self._submit(ring, lambda thread, done: thread.stop(ring, done))

    def swap(self, ring: Ring, next_filter: Program) -> Future[Counters]:
        """Go on with another filter in another file; gives the final counters of the old file."""
        return self._submit(ring, lambda thread, done: thread.swap(ring, next_filter, done))

    def allow(self, ring: Ring, allowance: Allowance) -> Future[None]:
        """Change how much `ring` may capture since it began; of one that has ended, nothing."""
        return self._submit(ring, lambda thread, done: thread.allow(ring, allowance, done))

    def set_rotation(self, ring: Ring, rotation: Rotation) -> Future[None]:
        """Change when files of `ring` are rotated; of one that has ended, nothing."""
        return self._submit(ring, lambda thread, done: thread.set_rotation(ring, rotation, done))

    def resume(self) -> None:
        """Have all threads read again, after a grant."""
        for thread in (self._first, *self._others):
            thread.submit(thread.resume)

    def ping(self) -> Future[None]:
        """Give an answer once every thread has come round: all are alive, and no ring holds one up."""
        return self._first.submit(partial(_ask, (*self._others,)))

    def forget(self, ring: Ring) -> None:
        """Know no more of a ring that has been stopped."""
        self._homes.pop(ring, None)

    def close(self) -> None:
        """End the threads; all rings must have been stopped. Waits for one round of each at most."""
        self._first.close()
        for thread in self._others:
            thread.close()

    def _submit(self, ring: Ring, work: _Work[Result]) -> Future[Result]:
        thread = self._homes.get(ring, self._first)
        return thread.submit(partial(self._perform, ring, work, thread))

    # Everything below runs in one of the threads.

    def _perform(
        self, ring: Ring, work: _Work[Result], thread: CaptureThread, done: Future[Result]
    ) -> None:
        """Do something with a ring here, or wherever it has gone to."""
        if thread.runs(ring) or ring.is_over:
            work(thread, done)
            return
        home = self._homes.get(ring, self._first)
        home.forward(partial(self._perform, ring, work, home), done)

    def _balance(self, thread: CaptureThread, load: Load[Ring]) -> None:
        """Give rings of a thread that has too much to do to another, or back if it has nothing to do."""
        if thread is not self._first and is_idle(load):
            for ring in thread.rings():
                self._move(ring, thread, self._first)
            return
        surplus = [ring for ring in find_surplus(load) if thread.runs(ring)]
        if surplus and (other := self._find_resting(thread)):
            for ring in surplus:
                self._move(ring, thread, other)

    def _move(self, ring: Ring, thread: CaptureThread, other: CaptureThread) -> None:
        if thread.release(ring):
            # First, for the other thread may soon give it away again.
            self._homes[ring] = other
            other.submit(partial(other.add, ring))

    def _find_resting(self, thread: CaptureThread) -> CaptureThread | None:
        """Return another thread that has no rings, None if there are enough already."""
        with self._opening:
            for other in self._others:
                if other is not thread and not other.rings():
                    return other
            if len(self._others) == self._most_others:
                return None
            another = self._make_thread(f"capture-{len(self._others) + 1}")
            self._others.append(another)
            another.start()
            return another

    def _make_thread(self, name: str) -> CaptureThread:
        return CaptureThread(
            self._tell, self._tell_counted, self._budget, self._balance, name=name
        )


def _ask(others: tuple[CaptureThread, ...], done: Future[None]) -> None:
    """Answer, after the other threads have."""
    if not others:
        done.set_result(None)
        return
    thread, *rest = others
    thread.forward(partial(_ask, (*rest,)), done)
