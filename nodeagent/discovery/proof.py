"""Which links of the node lead into which pod: proven by the kernel, never by names or addresses.

A link is a pod's while all of this holds (DESIGN 5):

1. The pod's sandbox process is in a network namespace that is not the node's (`processes`).
2. The node's namespace has a number for that one, and the link, one end of a pair, says that its
   other end is in the namespace of that number. Numbers are used again, but not while their
   namespace lives, which it does while the process does. So a link is asked for anew between two
   questions that found the same living process in the same namespace.
3. No other pod claims that namespace, neither when its process is found nor when a link is: pods
   share none, and a process may enter any.

Once proven, a link outlives the process: a pair goes with either of its namespaces, so that while
the link is there with its other end where it was, the namespace is there, and a pod's for life.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

from nodeagent.discovery.endpoints import ProcessId
from nodeagent.discovery.links import NO_NAMESPACE, Link

# Drivers whose links are two ends of one wire. Others name a namespace as well, for another reason:
# that of a macvlan's lower link, or of a tunnel's outer packets.
PAIRS: Final = frozenset({"veth", "netkit"})

_INTRUDER: Final = "its oldest process is in the network namespace of another pod"
_ASTRAY: Final = "its oldest process is in another network namespace than the pod's link"


class Kernel(Protocol):
    """Answers for this moment; see `questions`."""

    def namespace_of(self, pid: int) -> int | None:
        """Return the number of the network namespace of a process, None if that is gone."""

    def link(self, index: int) -> Link | None:
        """Return a link of the node, None if there is none."""


class Witness(Protocol):
    """A process that is held; see `sandbox`."""

    @property
    def process(self) -> ProcessId:
        """Which one it is."""

    @property
    def network(self) -> int:
        """A number for its network namespace that no other has at the time."""

    @property
    def is_alive(self) -> bool:
        """Whether it runs at this moment."""

    def close(self) -> None:
        """Let go of it."""


_Held = TypeVar("_Held", bound=Witness)


@dataclass(slots=True)
class Proof(Generic[_Held]):
    """What is proven of a pod: its network, by a process or by links in namespace `namespace`."""

    network: int
    sandbox: _Held | None
    namespace: int = NO_NAMESPACE
    links: dict[int, Link] = field(default_factory=dict)


class Proofs(Generic[_Held]):
    """The proofs of this node's pods, by uid, and why there is none. Close it."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._proofs: dict[str, Proof[_Held]] = {}

    def find(self, uid: str) -> Proof[_Held] | None:
        """Return what is proven of a pod, None for nothing."""
        return self._proofs.get(uid)

    def sandboxes(self) -> Mapping[str, _Held]:
        """Return the processes that are held, by the uid of their pod."""
        return {uid: proof.sandbox for uid, proof in self._proofs.items() if proof.sandbox}

    def close(self) -> None:
        """Let go of all processes."""
        self.review((), {})

    def review(self, uids: Collection[str], links: Mapping[int, Link]) -> None:
        """Drop what holds no longer: of the pods but these, of processes that ended, of lost links."""
        for uid, proof in tuple(self._proofs.items()):
            if proof.sandbox and not (uid in uids and proof.sandbox.is_alive):
                proof.sandbox.close()
                proof.sandbox = None
            proof.links = {
                index: links[index]
                for index in proof.links
                if index in links and _leads_into(links[index], proof.namespace)
            }
            if uid not in uids or not (proof.sandbox or proof.links):
                del self._proofs[uid]

    def offer(self, sandboxes: Mapping[str, _Held]) -> Mapping[str, str]:
        """Take the sandboxes that were found; return of which pods they were not, and why.

        Those are let go of.
        """
        claims = Counter(each.network for each in sandboxes.values())
        owned = {proof.network for proof in self._proofs.values()}
        refused: dict[str, str] = {}
        for uid, sandbox in sandboxes.items():
            proof = self._proofs.get(uid)
            if proof is not None and proof.network != sandbox.network:
                refused[uid] = _ASTRAY
            elif proof is not None:
                proof.sandbox = sandbox
            elif claims[sandbox.network] > 1 or sandbox.network in owned:
                refused[uid] = _INTRUDER
            else:
                self._proofs[uid] = Proof(sandbox.network, sandbox)
        for uid in refused:
            sandboxes[uid].close()
        return refused

    def settle(self, links: Iterable[Link]) -> None:
        """Find the links that lead into the pods."""
        by_namespace: dict[int, list[int]] = {}
        for link in links:
            if link.peer_namespace != NO_NAMESPACE:
                by_namespace.setdefault(link.peer_namespace, []).append(link.index)
        numbers = {
            uid: self._kernel.namespace_of(proof.sandbox.process.pid)
            for uid, proof in self._proofs.items()
            if proof.sandbox
        }
        # Once more, because a process may have entered another pod's namespace since it was found.
        claims = Counter(numbers.values())
        owned = {proof.namespace for proof in self._proofs.values() if proof.links}
        for uid, namespace in numbers.items():
            proof = self._proofs[uid]
            is_anothers = claims[namespace] > 1 or namespace in owned
            if namespace is None or (namespace != proof.namespace if proof.links else is_anothers):
                continue
            proof.namespace = namespace
            for index in by_namespace.get(namespace, ()):
                if index not in proof.links and (proven := self._prove(proof, index)):
                    proof.links[index] = proven

    def _prove(self, proof: Proof[_Held], index: int) -> Link | None:
        """Return a link if it leads into the namespace that the pod's was numbered, and still is."""
        assert proof.sandbox is not None
        link = self._kernel.link(index)
        namespace = self._kernel.namespace_of(proof.sandbox.process.pid)
        if link is None or namespace != proof.namespace or not proof.sandbox.is_alive:
            return None
        return link if _leads_into(link, namespace) else None


def _leads_into(link: Link, namespace: int) -> bool:
    is_pair = link.kind in PAIRS and namespace != NO_NAMESPACE
    return is_pair and link.peer_namespace == namespace
