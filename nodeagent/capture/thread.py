"""A capture thread: owns rings, reads whichever is ready, sleeps otherwise.

One epoll over the rings' sockets, a descriptor for commands and the kernel's link notices: those of
the node's network namespace, and those of each other one that a ring's interface is in. A ready
ring gets one batch per round, so that none starves; an idle thread is woken by nothing. Only a
ring that drains has a time limit: the kernel hands over a partly filled block within two block
timeouts, and what has not come after four will not come.

Where all that was read had waited for its time, and not for a block to be full, the thread lets blocks
of all rings come for some milliseconds, with an eye on how full the rings are and on commands.

Where the write budget is spent, rings are not waited for, and the kernel counts what it drops.
"""

import logging
import math
import os
import select
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from contextlib import suppress
from functools import partial

from nodeagent.capture.alarms import Alarms
from nodeagent.capture.allowance import Allowance
from nodeagent.capture.commands import Commands, Result, begin
from nodeagent.capture.counters import Counters, Tally
from nodeagent.capture.drain import Drain
from nodeagent.capture.events import Ended, Event, Rotated, Spent, WriteFailed
from nodeagent.capture.gathering import Gathering, Rest
from nodeagent.capture.linknotices import LinkNotices
from nodeagent.capture.notices import Notices
from nodeagent.capture.ring import Ring
from nodeagent.capture.roster import Roster
from nodeagent.capture.rotation import Rotation
from nodeagent.capture.workload import Load, Workload
from nodeagent.capture.writebudget import WriteBudget
from nodeagent.libpcap.dump import WriteBuffer
from nodeagent.libpcap.errors import CaptureError, InterfaceGoneError
from nodeagent.libpcap.handle import BLOCK_TIMEOUT_MS
from nodeagent.libpcap.program import Program

log = logging.getLogger(__name__)

_DRAIN_SECONDS = 4 * BLOCK_TIMEOUT_MS / 1000
# A file that is old enough and could not be rotated.
_RETRY_SECONDS = 1.0
# A file may have to be older than epoll can wait: that counts milliseconds in 31 bits.
_LONGEST_SLEEP_SECONDS = 86_400.0

# What a command does in the thread; it resolves the future, now or later.
Command = Callable[[Future[Result]], None]


class CaptureThread:
    """Runs rings. What comes before `runs` is for any thread, the rest for its own.

    `tell_counted` is called with rings whose counters changed, `balance` once in a while with
    what its time went to.
    """

    def __init__(
        self,
        tell: Callable[[Ring, Event], None],
        tell_counted: Callable[[Collection[Ring]], None],
        budget: WriteBudget,
        balance: "Callable[[CaptureThread, Load[Ring]], None]",
        *,
        name: str,
    ) -> None:
        self._tell = tell
        self._budget = budget
        self._balance = balance
        self._buffer = WriteBuffer()
        self._drains: dict[Ring, Drain] = {}
        self._workload = Workload[Ring](time.monotonic())
        self._ages = Alarms[Ring]()
        self._notices = Notices[Ring](tell_counted)
        self._commands = Commands()
        self._gathering = Gathering(time.monotonic())
        self._rest = Rest(self._commands)
        self._links = LinkNotices()
        self._roster = Roster(self._commands, self._links)
        self._running = True
        self._thread = threading.Thread(target=self._run, name=name)

    def start(self) -> None:
        """Begin; what was submitted before is done then."""
        self._thread.start()

    def submit(self, command: Command[Result]) -> Future[Result]:
        """Have the thread begin a command."""
        return self._commands.submit(command)

    def forward(self, command: Command[Result], done: Future[Result]) -> None:
        """Have the thread begin a command whose future somebody has already."""
        self._commands.forward(command, done)

    def close(self) -> None:
        """End the thread; all rings must have been stopped. Waits for one round at most."""
        self.submit(self._leave)
        self._thread.join()
        self._roster.close()
        self._links.close()
        self._commands.close()

    def rings(self) -> list[Ring]:
        """Return the rings that are read here, as far as another thread can know."""
        return self._roster.rings()

    # Everything below runs in the thread itself.

    def runs(self, ring: Ring) -> bool:
        """Tell whether `ring` is one of those that are read here."""
        return ring in self._roster

    def add(self, ring: Ring, done: Future[None]) -> None:
        """Begin to read `ring`."""
        ring.write_through(self._buffer)
        self._workload.begin(time.monotonic())
        self._roster.add(ring)
        done.set_result(None)
        if ring.counters.total != Tally():  # another thread has read it, and told or not
            ring.has_news = True
            self._report(ring)
        self._guard(ring, partial(self._check_link, ring))

    def release(self, ring: Ring) -> bool:
        """Read `ring` no more, so that another thread can; not while a turn of it is under way."""
        if not self.runs(ring) or ring in self._drains:
            return False
        self._unregister(ring)
        return True

    def stop(self, ring: Ring, done: Future[Counters]) -> None:
        """Let nothing more into `ring`, read what is in it, close its file and forget it."""
        if drain := self._drains.get(ring):
            drain.then.append(partial(begin, partial(self.stop, ring), done))
        elif self.runs(ring):
            self._guard(ring, partial(self._begin_stop, ring, done))
            if ring.is_over:  # it broke
                done.set_result(ring.counters)
        else:
            done.set_result(ring.counters)

    def swap(self, ring: Ring, next_filter: Program, done: Future[Counters]) -> None:
        """Go on with another filter in another file; gives the final counters of the old file."""
        if drain := self._drains.get(ring):
            again = partial(self.swap, ring, next_filter)
            drain.then.append(partial(begin, again, done))
        else:
            ring.begin_swap(next_filter)
            self._drain(ring, done)

    def allow(self, ring: Ring, allowance: Allowance, done: Future[None]) -> None:
        """Change how much `ring` may capture since it began; of one that has ended, nothing."""
        if self.runs(ring):
            ring.allow(allowance)
            self._end_if_spent(ring)
        done.set_result(None)

    def set_rotation(self, ring: Ring, rotation: Rotation, done: Future[None]) -> None:
        """Change when files of `ring` are rotated; of one that has ended, nothing."""
        if self.runs(ring):
            ring.set_rotation(rotation)
            self._ages.set(ring, ring.rotates_at(time.monotonic()))
        done.set_result(None)

    def resume(self, done: Future[None]) -> None:
        """Read again, after a grant."""
        if self._roster.is_paused and not self._budget.is_spent:
            self._roster.resume()
        done.set_result(None)

    def _run(self) -> None:
        roster = self._roster
        while self._running:
            for fd, events in roster.wait(self._patience()):
                if fd == self._commands.fileno():
                    self._commands.perform()
                elif fd == self._links.fileno():
                    self._hear_of_links()
                elif fd in roster.by_links:
                    self._hear_of_own_links(roster.by_links[fd])
                elif fd in roster.by_fd:
                    self._serve(ring := roster.by_fd[fd], events)
                    self._interrupt(ring)
            now = time.monotonic()
            self._end_round(now)
            if self._gathering.take(now) and not self._drains and not roster.is_paused:
                self._take_rest(now)

    def _interrupt(self, ring: Ring) -> None:
        """Do, after a batch of `ring`, what does not wait for those of all rings, each of milliseconds."""
        if self._commands.are_waiting:
            self._commands.perform()
        if self._drains and ring not in self._drains:
            self._make_turns(time.monotonic())

    def _take_rest(self, now: float) -> None:
        handles = [ring.handle for ring in self._roster.rings()]
        smallest = min((handle.ring_bytes for handle in handles), default=0)
        self._rest.take(handles, self._gathering.pause(smallest, now))

    def _end_round(self, now: float) -> None:
        if self._drains:
            self._make_turns(now)
        if now >= self._ages.soonest:
            for ring in self._ages.take_due(now):
                self._guard(ring, partial(self._rotate, ring, now))
        self._notices.tell_due(now)
        if self._budget.is_spent and not self._roster.is_paused:
            self._roster.pause(except_for=self._drains)
        if (load := self._workload.take(now)) is not None:
            self._balance(self, load)

    def _patience(self) -> float | None:
        """Return for how many seconds there is nothing to do but what epoll says."""
        deadline = min(self._notices.next_due(), self._ages.soonest)
        for drain in self._drains.values():
            deadline = min(deadline, drain.deadline)
        if deadline == math.inf:
            return None
        return min(max(0.0, deadline - time.monotonic()), _LONGEST_SLEEP_SECONDS)

    def _hear_of_links(self) -> None:
        if self._links.take():
            for ring in self._roster.rings():
                self._guard(ring, partial(self._check_link, ring))

    def _hear_of_own_links(self, ring: Ring) -> None:
        assert ring.links is not None
        if ring.links.take():
            self._guard(ring, partial(self._check_link, ring))

    def _leave(self, done: Future[None]) -> None:
        self._running = False
        done.set_result(None)

    def _drain(self, ring: Ring, done: Future[Counters] | None) -> None:
        self._drains[ring] = Drain(time.monotonic() + _DRAIN_SECONDS, done)
        if self._roster.is_paused:
            self._roster.resume_one(ring)

    def _begin_stop(self, ring: Ring, done: Future[Counters] | None) -> None:
        ring.begin_stop()
        self._drain(ring, done)

    def _make_turns(self, now: float) -> None:
        for ring, drain in list(self._drains.items()):
            if not ring.drained:
                self._read(ring)
            # It may have ended with that.
            if self._drains.get(ring) is drain and (ring.drained or now >= drain.deadline):
                self._guard(ring, partial(self._end_drain, ring, drain))

    def _end_drain(self, ring: Ring, drain: Drain) -> None:
        """Make the turn, unless more is coming: a thread without a processor is late, not done."""
        if missing := ring.still_to_come:
            ring.read()
            self._report(ring)
            if 0 < ring.still_to_come < missing:
                drain.deadline = time.monotonic() + _DRAIN_SECONDS
                return
        self._make_turn(ring, drain)

    def _make_turn(self, ring: Ring, drain: Drain) -> None:
        final = ring.turn()
        del self._drains[ring]
        self._report(ring)
        if ring.stopping:
            self._forget(ring)
        else:
            self._end_if_spent(ring)
        drain.resolve(final)
        if self.runs(ring):
            if self._roster.is_paused:
                self._roster.pause_one(ring)
            self._check_link(ring)
        drain.go_on()

    def _rotate(self, ring: Ring, now: float) -> None:
        """Rotate a file that is old enough."""
        if not ring.rotate():
            self._ages.set(ring, now + _RETRY_SECONDS)
        self._report(ring)

    def _end_if_spent(self, ring: Ring) -> None:
        """End a ring that has captured all that it may; one that drains ends with its turn."""
        if ring.is_spent and ring not in self._drains:
            with suppress(CaptureError):  # nobody reads what would come
                ring.refuse_more()
            self._forget(ring)
            self._tell(ring, Spent(ring.key))

    def _forget(self, ring: Ring) -> None:
        ring.is_over = True
        self._unregister(ring)
        if ring.error is not None:
            self._tell(ring, Ended(ring.key, ring.error))

    def _unregister(self, ring: Ring) -> None:
        self._roster.remove(ring)
        self._ages.set(ring, None)
        self._notices.forget(ring)

    def _guard(self, ring: Ring, work: Callable[[], None]) -> None:
        """Do something for a ring; what goes wrong there ends this ring and no other."""
        try:
            work()
        except CaptureError as error:
            self._break(ring, error)
        except Exception as error:  # noqa: BLE001 - the ring's life ends here
            self._fail(ring, error)

    def _fail(self, ring: Ring, error: Exception) -> None:
        """End a ring for a reason that is a fault of ours, or of the disk's."""
        log.error("ring failed", extra={"interface": ring.handle.interface}, exc_info=error)
        self._break(ring, CaptureError(ring.handle.interface, "read", repr(error)))

    def _serve(self, ring: Ring, events: int) -> None:
        if events == select.EPOLLIN:
            self._read(ring)
        else:
            self._guard(ring, partial(self._serve_with_error, ring, events))

    def _read(self, ring: Ring) -> None:
        """Read a batch; what `_guard` does is repeated here, for this is where time goes."""
        began = time.monotonic()
        try:
            ring.read()
        except CaptureError as error:
            self._break(ring, error)
            return
        except Exception as error:  # noqa: BLE001 - the ring's life ends here
            self._fail(ring, error)
            return
        is_calm = ring.handle.is_calm
        self._gathering.note(is_calm=is_calm)
        is_late = not is_calm and ring.handle.is_filling
        self._workload.note(ring, time.monotonic() - began, is_late=is_late)
        self._report(ring)
        if ring.is_spent:
            self._end_if_spent(ring)

    def _serve_with_error(self, ring: Ring, events: int) -> None:
        if events & select.EPOLLIN:
            self._read(ring)
        if events & select.EPOLLERR and self.runs(ring) and (code := ring.handle.take_error()):
            log.info(
                "capture socket has an error",
                extra={"interface": ring.handle.interface, "error": os.strerror(code)},
            )
            self._check_link(ring)

    def _report(self, ring: Ring) -> None:
        if ring.has_news:
            self._tell_news(ring)
        self._notices.note(ring)

    def _tell_news(self, ring: Ring) -> None:
        for finished in ring.take_finished():
            self._ages.set(ring, None)
            self._tell(ring, Rotated(ring.key, finished))
        if error := ring.take_write_error():
            self._tell(ring, WriteFailed(ring.key, error))
        if not self._ages.has(ring):
            self._ages.set(ring, ring.rotates_at(time.monotonic()))

    def _check_link(self, ring: Ring) -> None:
        """End a ring whose interface is gone, after what it had received."""
        if ring.handle.index >= 0 or ring in self._drains or ring.error is not None:
            return
        ring.error = InterfaceGoneError(ring.handle.interface, "read", "the interface is gone")
        self._begin_stop(ring, None)

    def _break(self, ring: Ring, error: CaptureError) -> None:
        """End a ring that cannot even be drained."""
        ring.error = error
        ring.lose_rest()
        drain = self._drains.pop(ring, None)
        if self.runs(ring):
            self._forget(ring)
        if drain is None:
            return
        if ring.stopping:
            drain.resolve(ring.counters)
        else:
            ring.cancel_swap()
            drain.fail(error)
        drain.go_on()
