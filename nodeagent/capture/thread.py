"""The capture thread: owns the rings, reads whichever is ready, sleeps otherwise.

One epoll over the rings' sockets, a descriptor for commands and the kernel's link notices: those of
the node's network namespace, and those of each other one that a ring's interface is in. A ready
ring gets one batch per round, so that none starves; an idle thread is woken by nothing. Only a
ring that drains has a time limit: the kernel hands over a partly filled block within two block
timeouts, and what has not come after four will not come.

A busy ring that needs a processor of its own would move to another instance of this class between
two rounds; nothing here assumes that there is one instance only.
"""

import logging
import math
import os
import select
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from nodeagent.capture.allowance import Allowance
from nodeagent.capture.commands import Commands, begin
from nodeagent.capture.counters import Counters
from nodeagent.capture.events import Counted, Ended, Event, Spent, WriteFailed
from nodeagent.capture.linknotices import LinkNotices
from nodeagent.capture.notices import Notices
from nodeagent.capture.ring import Ring
from nodeagent.libpcap.dump import DumpFile
from nodeagent.libpcap.errors import CaptureError, InterfaceGoneError
from nodeagent.libpcap.handle import BLOCK_TIMEOUT_MS
from nodeagent.libpcap.program import Program

log = logging.getLogger(__name__)

_DRAIN_SECONDS = 4 * BLOCK_TIMEOUT_MS / 1000


@dataclass(slots=True)
class _Drain:
    """A turn under way: who waits for it, and what has to wait until it is made."""

    deadline: float
    done: Future[Counters] | None
    then: list[Callable[[], None]] = field(default_factory=list)

    def resolve(self, final: Counters) -> None:
        if self.done is not None:
            self.done.set_result(final)

    def fail(self, error: CaptureError) -> None:
        if self.done is not None:
            self.done.set_exception(error)


class CaptureThread:
    """Runs rings. Its methods may be called from any thread; their futures always resolve."""

    def __init__(self, tell: Callable[[Ring, Event], None]) -> None:
        self._tell = tell
        self._rings: dict[int, Ring] = {}
        self._drains: dict[Ring, _Drain] = {}
        self._notices = Notices(lambda ring: tell(ring, Counted(ring.key)))
        self._commands = Commands()
        self._links = LinkNotices()
        self._links_of: dict[int, Ring] = {}  # by the descriptor of a ring's own link notices
        self._epoll = select.epoll()
        self._epoll.register(self._commands, select.EPOLLIN)
        self._epoll.register(self._links, select.EPOLLIN)
        self._running = True
        self._thread = threading.Thread(target=self._run, name="capture")
        self._thread.start()

    def add(self, ring: Ring) -> Future[None]:
        """Begin to read `ring`."""
        return self._commands.submit(partial(self._add, ring))

    def stop(self, ring: Ring) -> Future[Counters]:
        """Let nothing more into `ring`, read what is in it, close its file and forget it."""
        return self._commands.submit(partial(self._stop, ring))

    def swap(self, ring: Ring, next_filter: Program, file: DumpFile) -> Future[Counters]:
        """Change filter and file of `ring`; gives the final counters of the old file.

        The ring takes over `file`, and discards it if the swap fails (`Ring.begin_swap`).
        """
        return self._commands.submit(partial(self._swap, ring, next_filter, file))

    def allow(self, ring: Ring, allowance: Allowance) -> Future[None]:
        """Change how much `ring` may capture since it began; of one that has ended, nothing."""
        return self._commands.submit(partial(self._allow, ring, allowance))

    def close(self) -> None:
        """End the thread; all rings must have been stopped. Waits for one round at most."""
        self._commands.submit(self._leave)
        self._thread.join()
        self._epoll.close()
        self._links.close()
        self._commands.close()

    # Everything below runs in the capture thread.

    def _run(self) -> None:
        while self._running:
            for fd, events in self._epoll.poll(self._patience()):
                if fd == self._commands.fileno():
                    self._commands.perform()
                elif fd == self._links.fileno():
                    self._hear_of_links()
                elif fd in self._links_of:
                    self._hear_of_own_links(self._links_of[fd])
                elif fd in self._rings:
                    ring = self._rings[fd]
                    self._guard(ring, partial(self._serve, ring, events))
            now = time.monotonic()
            self._make_turns(now)
            self._notices.tell_due(now)

    def _patience(self) -> float | None:
        """Return for how many seconds there is nothing to do but what epoll says."""
        deadlines = [drain.deadline for drain in self._drains.values()]
        deadline = min([self._notices.next_due(), *deadlines])
        return None if deadline == math.inf else max(0.0, deadline - time.monotonic())

    def _hear_of_links(self) -> None:
        self._links.take()
        for ring in list(self._rings.values()):
            self._guard(ring, partial(self._check_link, ring))

    def _hear_of_own_links(self, ring: Ring) -> None:
        assert ring.links is not None
        ring.links.take()
        self._guard(ring, partial(self._check_link, ring))

    def _add(self, ring: Ring, done: Future[None]) -> None:
        self._rings[ring.handle.fd] = ring
        self._epoll.register(ring.handle.fd, select.EPOLLIN)
        if ring.links is not None:
            self._links_of[ring.links.fileno()] = ring
            self._epoll.register(ring.links, select.EPOLLIN)
        done.set_result(None)
        self._guard(ring, partial(self._check_link, ring))

    def _stop(self, ring: Ring, done: Future[Counters]) -> None:
        if drain := self._drains.get(ring):
            drain.then.append(partial(begin, partial(self._stop, ring), done))
        elif self._runs(ring):
            ring.begin_stop()
            self._drain(ring, done)
        else:
            done.set_result(ring.counters)

    def _swap(
        self, ring: Ring, next_filter: Program, file: DumpFile, done: Future[Counters]
    ) -> None:
        if drain := self._drains.get(ring):
            again = partial(self._swap, ring, next_filter, file)
            drain.then.append(partial(begin, again, done))
        else:
            ring.begin_swap(next_filter, file)
            self._drain(ring, done)

    def _allow(self, ring: Ring, allowance: Allowance, done: Future[None]) -> None:
        if self._runs(ring):
            ring.allow(allowance)
            self._end_if_spent(ring)
        done.set_result(None)

    def _runs(self, ring: Ring) -> bool:
        return self._rings.get(ring.handle.fd) is ring

    def _leave(self, done: Future[None]) -> None:
        self._running = False
        done.set_result(None)

    def _drain(self, ring: Ring, done: Future[Counters] | None) -> None:
        self._drains[ring] = _Drain(time.monotonic() + _DRAIN_SECONDS, done)

    def _make_turns(self, now: float) -> None:
        for ring, drain in list(self._drains.items()):
            if ring.drained or now >= drain.deadline:
                self._guard(ring, partial(self._end_drain, ring, drain))

    def _end_drain(self, ring: Ring, drain: _Drain) -> None:
        """Make the turn, unless more is coming: a thread without a processor is late, not done."""
        if missing := ring.still_to_come:
            ring.read()
            self._report(ring)
            if 0 < ring.still_to_come < missing:
                drain.deadline = time.monotonic() + _DRAIN_SECONDS
                return
        self._make_turn(ring, drain)

    def _make_turn(self, ring: Ring, drain: _Drain) -> None:
        final = ring.turn()
        del self._drains[ring]
        self._report(ring)
        if ring.stopping:
            self._forget(ring)
        else:
            self._end_if_spent(ring)
        drain.resolve(final)
        if self._runs(ring):
            self._check_link(ring)
        for command in drain.then:
            command()

    def _end_if_spent(self, ring: Ring) -> None:
        """End a ring that has captured all that it may; one that drains ends with its turn."""
        if ring.is_spent and ring not in self._drains:
            with suppress(CaptureError):  # nobody reads what would come
                ring.refuse_more()
            self._forget(ring)
            self._tell(ring, Spent(ring.key))

    def _forget(self, ring: Ring) -> None:
        del self._rings[ring.handle.fd]
        self._epoll.unregister(ring.handle.fd)
        if ring.links is not None:
            del self._links_of[ring.links.fileno()]
            self._epoll.unregister(ring.links)
        self._notices.forget(ring)
        if ring.error is not None:
            self._tell(ring, Ended(ring.key, ring.error))

    def _guard(self, ring: Ring, work: Callable[[], None]) -> None:
        """Do something for a ring; what goes wrong there ends this ring and no other."""
        try:
            work()
        except CaptureError as error:
            self._break(ring, error)
        except Exception as error:
            log.exception("ring failed", extra={"interface": ring.handle.interface})
            self._break(ring, CaptureError(ring.handle.interface, "read", repr(error)))

    def _serve(self, ring: Ring, events: int) -> None:
        if events & select.EPOLLIN:
            ring.read()
            self._report(ring)
            self._end_if_spent(ring)
        if events & select.EPOLLERR and self._runs(ring) and (code := ring.handle.take_error()):
            log.info(
                "capture socket has an error",
                extra={"interface": ring.handle.interface, "error": os.strerror(code)},
            )
            self._check_link(ring)

    def _report(self, ring: Ring) -> None:
        if error := ring.take_write_error():
            self._tell(ring, WriteFailed(ring.key, error))
        self._notices.note(ring)

    def _check_link(self, ring: Ring) -> None:
        """End a ring whose interface is gone, after what it had received."""
        if ring.handle.index >= 0 or ring in self._drains or ring.error is not None:
            return
        ring.error = InterfaceGoneError(ring.handle.interface, "read", "the interface is gone")
        ring.begin_stop()
        self._drain(ring, None)

    def _break(self, ring: Ring, error: CaptureError) -> None:
        """End a ring that cannot even be drained."""
        ring.error = error
        drain = self._drains.pop(ring, None)
        if self._runs(ring):
            self._forget(ring)
        if drain is None:
            return
        if ring.stopping:
            drain.resolve(ring.counters)
        else:
            ring.cancel_swap()
            drain.fail(error)
        for command in drain.then:
            command()
