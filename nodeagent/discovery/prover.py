"""Finds the endpoints of pods: processes, links and proofs brought together, round by round."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
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
from nodeagent.discovery.sandbox import Absence, SandboxSearch, WatchedSandbox

# By uid, each with the labels that selectors see.
LabelledPods: TypeAlias = Mapping[str, tuple[Pod, Mapping[str, str]]]

_NO_LINK = "the pod has no link on the node (macvlan?): run the agent with --tap=pod"
_NO_INTERFACE = "the pod has no interface that is up"
_DISPUTED = Absence("another pod names the same cgroup as its own", is_told=True)


class TapSide(StrEnum):
    """Where packets are taken: at the node's end of a pod's link, or within the pod."""

    HOST = "host"
    POD = "pod"


class Prover:
    """Owns the proofs of this node's pods.

    A round takes questions to the kernel for what is new alone, whatever the number of pods.
    """

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
        # Of pods that have been looked for in vain, by uid; of some, because it is another pod's.
        self._absences: dict[str, Absence] = {}
        self._refused: frozenset[str] = frozenset()
        # The uids of cgroups in which something has happened since the last round.
        self._touched: frozenset[str] = frozenset()
        self._known: frozenset[str] = frozenset()
        # The uids of pods by those of their cgroups.
        self._pods_of: Mapping[str, str] = {}

    def look_again(self, cgroup_uids: Collection[str]) -> bool:
        """Look in the next round for the processes of pods with these cgroups; tell if any has none.

        Of those that have one there is nothing to be seen: every probe that the kubelet runs in a
        container puts a process into a cgroup. That the one which is held ends is told by itself.
        """
        touched = {each for each in cgroup_uids if not self._holds(each)}
        self._touched |= touched
        # The others' pods are on the node's network, or the API tells of them later.
        return not touched.isdisjoint(self._pods_of)

    async def find_endpoints(
        self, pods: Callable[[], LabelledPods], *, clock: Callable[[], float]
    ) -> tuple[Endpoint, ...]:
        """Return the endpoints of the pods as they are when it returns."""
        self._review(pods())
        is_settled = False
        # What happens during a search may be just what it was too early for.
        while (missing := self._missing(pods(), now=clock())) or not is_settled:
            if missing:
                await self._search_for(missing)
            else:
                await asyncio.to_thread(self._proofs.settle, self._links.current.values())
            is_settled = not missing
            self._review(pods())
        # From here on nothing is waited for, so that it all holds at one time.
        if self._interiors is not None:
            self._interiors.keep(self._proofs.sandboxes())
        return tuple(self._describe(pods(), now=clock()))

    def next_moment(self, *, now: float) -> float | None:
        """Return when time alone makes another round worth while (monotonic seconds); None: never."""
        return self._patience.next_moment(now=now)

    def _review(self, pods: LabelledPods) -> None:
        links = {link.index: link for link in self._links.current.values()}
        disputed = _disputed(pods)
        has_dropped = self._proofs.review(pods.keys() - disputed, links)
        if has_dropped or self._known - pods.keys():
            # What another pod claimed may be free now.
            for uid in self._refused:
                self._absences.pop(uid, None)
            self._refused = frozenset()
        self._known = frozenset(pods)
        self._pods_of = {pod.cgroup_uid: uid for uid, (pod, _) in pods.items()}
        self._absences = {uid: why for uid, why in self._absences.items() if uid in pods}
        self._absences |= dict.fromkeys(disputed, _DISPUTED)
        self._refused |= disputed

    def _holds(self, cgroup_uid: str) -> bool:
        proof = self._proofs.find(self._pods_of.get(cgroup_uid, ""))
        return bool(proof and proof.sandbox and not proof.sandbox.has_ended)

    def _missing(self, pods: LabelledPods, *, now: float) -> dict[str, str]:
        """Return the pods that are to be looked for, with the uids of their cgroups.

        They have no process, and either it is not known why, or there may be one by now.
        """
        touched = {uid for uid, (pod, _) in pods.items() if pod.cgroup_uid in self._touched}
        self._touched = frozenset()
        self._patience.encourage(touched)
        again = touched | self._patience.take_due(now=now)
        known = self._proofs.sandboxes().keys() | (self._absences.keys() - again)
        return {uid: pod.cgroup_uid for uid, (pod, _) in pods.items() if uid not in known}

    async def _search_for(self, missing: Mapping[str, str]) -> None:
        """Look for the processes of pods."""
        absences, sandboxes = await asyncio.to_thread(self._search.look, missing)
        watched = {
            uid: WatchedSandbox(sandbox, ended=self._changed) for uid, sandbox in sandboxes.items()
        }
        refused = self._proofs.offer(watched)
        for uid in sandboxes:
            self._absences.pop(uid, None)
        self._absences |= absences
        self._absences |= {uid: Absence(reason) for uid, reason in refused.items()}
        self._refused = self._refused - missing.keys() | refused.keys()

    def _describe(self, pods: LabelledPods, *, now: float) -> Iterator[Endpoint]:
        """Yield the endpoints, and of pods without any what is wrong, once it takes too long."""
        found = {uid: self._find(pod, labels) for uid, (pod, labels) in pods.items()}
        unproven = {uid for uid, outcome in found.items() if isinstance(outcome, str)}
        untold = {uid for uid, why in self._absences.items() if not why.is_told}
        self._patience.note(unproven, untold=untold & unproven, now=now)
        for uid, outcome in found.items():
            pod, labels = pods[uid]
            if not isinstance(outcome, str):
                yield from outcome
            elif self._patience.is_over(uid, now=now) and not pod.is_terminating:
                yield problem_endpoint(pod, labels, outcome)

    def _find(self, pod: Pod, labels: Mapping[str, str]) -> list[Endpoint] | str:
        """Return the endpoints of a pod, at least one, or why it has none."""
        absence = self._absences.get(pod.uid)
        if self._interiors is None:
            proof = self._proofs.find(pod.uid)
            links = proof.links.values() if proof else ()
            endpoints, otherwise = list(host_endpoints(pod, labels, links)), _NO_LINK
        else:
            interior = self._interiors.find(pod.uid)
            if not isinstance(interior, Interior):
                return absence.reason if absence else interior
            endpoints, otherwise = list(interior_endpoints(pod, labels, interior)), _NO_INTERFACE
        return endpoints or (absence.reason if absence else otherwise)


def _disputed(pods: LabelledPods) -> frozenset[str]:
    """Return the uids of pods whose cgroup others name too: one of them is a forged mirror (`pod`)."""
    claims = Counter(pod.cgroup_uid for pod, _ in pods.values())
    return frozenset(uid for uid, (pod, _) in pods.items() if claims[pod.cgroup_uid] > 1)
