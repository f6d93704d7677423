"""What runs whenever something changed: all pods compared with what is proven, and published."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from apiserver.resource.podset import PodSet
from nodeagent.discovery.calico import unexpected_names
from nodeagent.discovery.endpoints import Endpoint
from nodeagent.discovery.pod import Pod
from nodeagent.discovery.prover import LabelledPods, Prover
from nodeagent.underway import Underway

log = logging.getLogger(__name__)

# A round costs a millisecond for some hundred pods. What comes in a storm is taken together, so that
# it takes a few hundredths of a processor and no more, and what comes alone is taken at once.
_SPACING_SECONDS: Final = 0.02


class Names:
    """Tells once of each proven link that Calico would have named otherwise."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._told: set[tuple[str, str]] = set()

    def check(self, endpoints: tuple[Endpoint, ...]) -> None:
        """Compare the names; those of pods that are gone are forgotten."""
        unexpected = {
            (endpoint.pod_uid, endpoint.interface): (endpoint, expected)
            for endpoint, expected in unexpected_names(endpoints, self._prefix)
        }
        for key in unexpected.keys() - self._told:
            endpoint, expected = unexpected[key]
            pod = {"namespace": endpoint.namespace, "pod": endpoint.pod}
            names = {"interface": endpoint.interface, "expected": expected}
            log.warning("link is not named as Calico would", extra=pod | names)
        self._told = set(unexpected)


class Present:
    """The pods with the labels that selectors see, put together anew when one may be another."""

    def __init__(
        self, podset: PodSet[Pod], changed: asyncio.Event, *, clock: Callable[[], float]
    ) -> None:
        self.clock = clock
        self._podset = podset
        self._changed = changed
        self._pods: LabelledPods | None = None
        # When time alone shows another pod; None for never.
        self.next_moment: float | None = None

    @property
    def is_synced(self) -> bool:
        """Whether the API has told of all pods and their namespaces."""
        return self._podset.is_synced

    @property
    def has_accounts(self) -> bool:
        """Whether the labels of service accounts are among the pods'."""
        return self._podset.has_accounts

    def renew(self) -> None:
        """Note that the API told of a change."""
        self._pods = None
        self._changed.set()

    def pods(self) -> LabelledPods:
        """Return them."""
        now = self.clock()
        if self._pods is None or (self.next_moment is not None and self.next_moment <= now):
            pods = self._podset.pods(now=now)
            self._pods = {pod.uid: (pod, labels) for pod, labels in pods}
            self.next_moment = self._podset.next_moment(now=now)
        return self._pods


class Rounds:
    """Has everything compared whenever something changed or time has come, and published."""

    def __init__(
        self,
        present: Present,
        prover: Prover,
        names: Names,
        changed: asyncio.Event,
        *,
        underway: Underway,
        publish: Callable[[tuple[Endpoint, ...], bool], None],
    ) -> None:
        self._present = present
        self._prover = prover
        self._names = names
        self._changed = changed
        self._underway = underway
        self._publish = publish

    async def run(self) -> None:
        """Go on for ever."""
        while True:
            self._changed.clear()
            if self._present.is_synced:
                with self._underway.going_on():
                    await self._make()
            await asyncio.sleep(_SPACING_SECONDS)
            try:
                async with asyncio.timeout(self._delay()):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def _make(self) -> None:
        present = self._present
        endpoints = await self._prover.find_endpoints(present.pods, clock=present.clock)
        self._names.check(endpoints)
        self._publish(endpoints, present.has_accounts)

    def _delay(self) -> float | None:
        """Return the seconds until time alone changes something, None for never."""
        now = self._present.clock()
        moments = (self._prover.next_moment(now=now), self._present.next_moment)
        return min((each - now for each in moments if each is not None), default=None)
