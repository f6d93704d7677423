"""The rings of a capture thread, and one epoll over them and what else the thread waits for."""

import select
from collections.abc import Collection

from nodeagent.capture.commands import Commands
from nodeagent.capture.linknotices import LinkNotices
from nodeagent.capture.ring import Ring


class Roster:
    """Belongs to the thread; only `rings` is for others, too.

    `by_fd` has the rings by the descriptors of their handles, `by_links` those with link notices of their
    own by the descriptors of these.
    """

    def __init__(self, *others: Commands | LinkNotices) -> None:
        """Wait for these whatever rings there are."""
        self.by_fd: dict[int, Ring] = {}
        self.by_links: dict[int, Ring] = {}
        self.is_paused = False
        self._epoll = select.epoll()
        for each in others:
            self._epoll.register(each, select.EPOLLIN)

    def rings(self) -> list[Ring]:
        """Return the rings."""
        return list(self.by_fd.values())

    def __contains__(self, ring: Ring) -> bool:
        return self.by_fd.get(ring.handle.fd) is ring

    def add(self, ring: Ring) -> None:
        """Wait for a ring, too."""
        self.by_fd[ring.handle.fd] = ring
        self._epoll.register(ring.handle.fd, 0 if self.is_paused else select.EPOLLIN)
        if ring.links is not None:
            self.by_links[ring.links.fileno()] = ring
            self._epoll.register(ring.links, select.EPOLLIN)

    def remove(self, ring: Ring) -> None:
        """Wait for a ring no more."""
        del self.by_fd[ring.handle.fd]
        self._epoll.unregister(ring.handle.fd)
        if ring.links is not None:
            del self.by_links[ring.links.fileno()]
            self._epoll.unregister(ring.links)

    def pause(self, *, except_for: Collection[Ring]) -> None:
        """Let packets of the rings wait, but of some; errors and link notices are heard all the same."""
        self.is_paused = True
        for ring in self.by_fd.values():
            if ring not in except_for:
                self.pause_one(ring)

    def pause_one(self, ring: Ring) -> None:
        """Let packets of a ring wait."""
        self._epoll.modify(ring.handle.fd, 0)

    def resume(self) -> None:
        """Wait for packets again."""
        self.is_paused = False
        for ring in self.by_fd.values():
            self.resume_one(ring)

    def resume_one(self, ring: Ring) -> None:
        """Wait for packets of a ring again."""
        self._epoll.modify(ring.handle.fd, select.EPOLLIN)

    def wait(self, seconds: float | None) -> list[tuple[int, int]]:
        """Return the descriptors that are ready, with what they are ready for; None waits for ever."""
        return self._epoll.poll(seconds)

    def close(self) -> None:
        """Close the descriptor; those that were waited for stay open."""
        self._epoll.close()
