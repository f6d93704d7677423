"""The capture thread: owns the rings, reads whichever is ready, sleeps otherwise.

One epoll over the rings' sockets, a descriptor for commands and the kernel's link notices. A ready
ring gets one batch per round, so that none starves; an idle thread is woken by nothing. Only a
ring that drains has a time limit: the kernel hands over a partly filled block within two block
timeouts, and what has not come after four will not come.

A busy ring that needs a processor of its own would move to another instance of this class between
two rounds; nothing here assumes that there is one instance only.
"""

import errno
import logging
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from nodeagent.capture.events import Counted, Ended, Event, WriteFailed
from nodeagent.capture.ring import Counters, Ring
from nodeagent.libpcap.dump import DumpFile
from nodeagent.libpcap.errors import CaptureError, InterfaceGoneError
from nodeagent.libpcap.handle import BLOCK_TIMEOUT_MS
from nodeagent.libpcap.program import Filter

log = logging.getLogger(__name__)

_DRAIN_SECONDS = 4 * BLOCK_TIMEOUT_MS / 1000
# A busy ring has a batch per millisecond. To wake the event loop for each would cost a third of
# the processor time of the capture (measured with packets of 100 bytes).
_NOTICE_SECONDS = 0.1
_RTMGRP_LINK = 1
_NOTICE_BYTES = 65_536

_Result = TypeVar("_Result")


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
        self._news: dict[Ring, float] = {}  # whose counters changed, and when that is to be told
        self._commands: deque[Callable[[], None]] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._links = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._links.bind((0, _RTMGRP_LINK))
        self._links.setblocking(False)
        self._epoll = select.epoll()
        self._epoll.register(self._wake, select.EPOLLIN)
        self._epoll.register(self._links, select.EPOLLIN)
        self._running = True
        self._thread = threading.Thread(target=self._run, name="capture")
        self._thread.start()

    def add(self, ring: Ring) -> Future[None]:
        """Begin to read `ring`."""
        return self._submit(partial(self._add, ring))

    def stop(self, ring: Ring) -> Future[Counters]:
        """Let nothing more into `ring`, read what is in it, close its file and forget it."""
        return self._submit(partial(self._stop, ring))

    def swap(self, ring: Ring, next_filter: Filter, file: DumpFile) -> Future[Counters]:
        """Change filter and file of `ring`; gives the final counters of the old file.

        The future fails with the ring's own error if it has ended; `file` is then not used.
        """
        return self._submit(partial(self._swap, ring, next_filter, file))

    def close(self) -> None:
        """End the thread; all rings must have been stopped. Waits for one round at most."""
        self._submit(self._leave)
        self._thread.join()
        self._epoll.close()
        self._links.close()
        os.close(self._wake)

    def _submit(self, begin: Callable[[Future[_Result]], None]) -> Future[_Result]:
        done: Future[_Result] = Future()
        # Begun work is finished whoever stops waiting for it: a turn cannot be half made.
        done.set_running_or_notify_cancel()
        self._commands.append(partial(_begin, begin, done))
        os.eventfd_write(self._wake, 1)
        return done

    # Everything below runs in the capture thread.

    def _run(self) -> None:
        while self._running:
            for fd, events in self._epoll.poll(self._patience()):
                if fd == self._wake:
                    self._obey()
                elif fd == self._links.fileno():
                    self._hear_of_links()
                elif fd in self._rings:
                    ring = self._rings[fd]
                    self._guard(ring, partial(self._serve, ring, events))
            if self._drains:
                self._make_turns()
            if self._news:
                self._tell_news()

    def _patience(self) -> float | None:
        if not (self._drains or self._news):
            return None
        deadlines = [drain.deadline for drain in self._drains.values()]
        return max(0.0, min([*deadlines, *self._news.values()]) - time.monotonic())

    def _obey(self) -> None:
        os.eventfd_read(self._wake)
        while self._commands:
            self._commands.popleft()()

    def _hear_of_links(self) -> None:
        # What happened is read from the sockets themselves, so a lost notice (ENOBUFS) is as good.
        try:
            self._links.recv(_NOTICE_BYTES)
        except OSError as error:
            if error.errno not in (errno.ENOBUFS, errno.EAGAIN):
                raise
        for ring in list(self._rings.values()):
            self._guard(ring, partial(self._check_link, ring))

    def _add(self, ring: Ring, done: Future[None]) -> None:
        self._rings[ring.handle.fd] = ring
        self._epoll.register(ring.handle.fd, select.EPOLLIN)
        done.set_result(None)
        self._guard(ring, partial(self._check_link, ring))

    def _stop(self, ring: Ring, done: Future[Counters]) -> None:
        if drain := self._drains.get(ring):
            drain.then.append(partial(_begin, partial(self._stop, ring), done))
        elif ring.handle.fd in self._rings:
            ring.begin_stop()
            self._drain(ring, done)
        else:
            done.set_result(ring.turn())

    def _swap(
        self, ring: Ring, next_filter: Filter, file: DumpFile, done: Future[Counters]
    ) -> None:
        if drain := self._drains.get(ring):
            again = partial(self._swap, ring, next_filter, file)
            drain.then.append(partial(_begin, again, done))
        elif ring.error is not None:
            raise ring.error
        else:
            ring.begin_swap(next_filter, file)
            self._drain(ring, done)

    def _leave(self, done: Future[None]) -> None:
        self._running = False
        done.set_result(None)

    def _drain(self, ring: Ring, done: Future[Counters] | None) -> None:
        self._drains[ring] = _Drain(time.monotonic() + _DRAIN_SECONDS, done)

    def _make_turns(self) -> None:
        now = time.monotonic()
        for ring, drain in list(self._drains.items()):
            if ring.drained or now >= drain.deadline:
                self._guard(ring, partial(self._make_turn, ring, drain))

    def _make_turn(self, ring: Ring, drain: _Drain) -> None:
        del self._drains[ring]
        stopped = ring.stopping
        final = ring.turn()
        self._report(ring)
        if stopped:
            self._forget(ring)
        drain.resolve(final)
        if not stopped:
            self._check_link(ring)
        for command in drain.then:
            command()

    def _forget(self, ring: Ring) -> None:
        del self._rings[ring.handle.fd]
        self._epoll.unregister(ring.handle.fd)
        self._news.pop(ring, None)
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
        if events & select.EPOLLERR and (code := ring.handle.take_error()):
            log.info(
                "capture socket has an error",
                extra={"interface": ring.handle.interface, "error": os.strerror(code)},
            )
            self._check_link(ring)

    def _report(self, ring: Ring) -> None:
        if error := ring.take_write_error():
            self._tell(ring, WriteFailed(ring.key, error))
        self._news.setdefault(ring, ring.told_at + _NOTICE_SECONDS)

    def _tell_news(self) -> None:
        now = time.monotonic()
        for ring in [ring for ring, due in self._news.items() if now >= due]:
            del self._news[ring]
            ring.told_at = now
            self._tell(ring, Counted(ring.key))

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
        if ring.handle.fd in self._rings:
            self._forget(ring)
        if drain is None:
            return
        if ring.stopping:
            drain.resolve(ring.turn())
        else:
            ring.cancel_turn()
            drain.fail(error)
        for command in drain.then:
            command()


def _begin(begin: Callable[[Future[_Result]], None], done: Future[_Result]) -> None:
    """Begin a command; what it raises is its result."""
    try:
        begin(done)
    except Exception as error:  # noqa: BLE001 - handed to whoever awaits `done`
        done.set_exception(error)
