"""Finds the endpoints of pods: processes, links and proofs brought together, round by round."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import TypeAlias

from nodeagent.discovery.endpoints import Endpoint
from nodeagent.discovery.interiors import Interiors
from nodeagent.discovery.links import Links
from nodeagent.discovery.patience import Patience
from nodeagent.discovery.pod import Pod
from nodeagent.discovery.podendpoints import (
    Interior,
    host_endpoints,
    interior_endpoints,
    problem_endpoint,
)
from nodeagent.discovery.proof import Proofs
from nodeagent.discovery.sandbox import SandboxSearch, WatchedSandbox

# By uid, each with the labels that selectors see.
LabelledPods: TypeAlias = Mapping[str, tuple[Pod, Mapping[str, str]]]

_NO_LINK = "the pod has no link on the node (macvlan?): run the agent with --tap=pod"
_NO_INTERFACE = "the pod has no interface that is up"


class TapSide(StrEnum):
    """Where packets are taken: at the node's end of a pod's link, or within the pod."""

    HOST = "host"
    POD = "pod"


class Prover:
    """Owns the proofs of this node's pods."""

    def __init__(
        self,
        search: SandboxSearch,
        links: Links,
        proofs: Proofs[WatchedSandbox],
        *,
        interiors: Interiors | None,
        patience: Patience,
        changed: Callable[[], None],
    ) -> None:
        self._search = search
        self._links = links
        self._proofs = proofs
        self._interiors = interiors
        self._patience = patience
        self._changed = changed

    async def find_endpoints(
        self, pods: Callable[[], LabelledPods], *, clock: Callable[[], float]
    ) -> tuple[Endpoint, ...]:
        """Return the endpoints of the pods as they are when it returns."""
        reasons: dict[str, str] = {}
        self._review(pods())
        # A process that ends during the search is searched for again: another may carry on at once.
        while missing := self._missing(pods(), reasons):
            reasons |= await self._search_for(missing)
            self._review(pods())
        # From here on nothing is waited for, so that it all holds at one time.
        self._proofs.settle(self._links.current.values())
        if self._interiors is not None:
            self._interiors.keep(self._proofs.sandboxes())
        return tuple(self._describe(pods(), reasons, now=clock()))

    def next_moment(self, *, now: float) -> float | None:
        """Return when time alone makes another round worth while (monotonic seconds); None: never."""
        return self._patience.next_moment(now=now)

    def _review(self, pods: LabelledPods) -> None:
        links = {link.index: link for link in self._links.current.values()}
        self._proofs.review(pods, links)

    def _missing(self, pods: LabelledPods, reasons: Mapping[str, str]) -> dict[str, str]:
        """Return the pods that have no process for no known reason, with the uids of their cgroups."""
        known = self._proofs.sandboxes().keys() | reasons.keys()
        return {uid: pod.cgroup_uid for uid, (pod, _) in pods.items() if uid not in known}

    async def _search_for(self, missing: Mapping[str, str]) -> dict[str, str]:
        """Look for the processes of pods; return why some of them have none."""
        reasons, sandboxes = await asyncio.to_thread(self._search.look, missing)
        watched = {
            uid: WatchedSandbox(sandbox, ended=self._changed) for uid, sandbox in sandboxes.items()
        }
        return {**reasons, **self._proofs.offer(watched)}

    def _describe(
        self, pods: LabelledPods, reasons: Mapping[str, str], *, now: float
    ) -> Iterator[Endpoint]:
        """Yield the endpoints, and of pods without any what is wrong, once it takes too long."""
        found = {uid: self._find(pod, labels) for uid, (pod, labels) in pods.items()}
        found = {
            uid: reasons.get(uid, outcome) if isinstance(outcome, str) else outcome
            for uid, outcome in found.items()
        }
        unproven = {uid for uid, outcome in found.items() if isinstance(outcome, str)}
        self._patience.note(unproven, without_process=reasons.keys() & unproven, now=now)
        for uid, outcome in found.items():
            pod, labels = pods[uid]
            if not isinstance(outcome, str):
                yield from outcome
            elif self._patience.is_over(uid, now=now) and not pod.is_terminating:
                yield problem_endpoint(pod, labels, outcome)

    def _find(self, pod: Pod, labels: Mapping[str, str]) -> list[Endpoint] | str:
        """Return the endpoints of a pod, at least one, or why it has none."""
        if self._interiors is None:
            proof = self._proofs.find(pod.uid)
            links = proof.links.values() if proof else ()
            return list(host_endpoints(pod, labels, links)) or _NO_LINK
        interior = self._interiors.find(pod.uid)
        if not isinstance(interior, Interior):
            return interior
        return list(interior_endpoints(pod, labels, interior)) or _NO_INTERFACE
