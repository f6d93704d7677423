"""Which links of the node lead into which pod: proven by the kernel, never by names or addresses.

A link is a pod's while all of this holds (DESIGN 5):

1. The pod's sandbox process is in a network namespace that is not the node's (`processes`).
2. The node's namespace has a number for that one, and the link, one end of a pair, says that its
   other end is in the namespace of that number. Numbers are used again, but not while their
   namespace lives, which it does while the process is there. So a link is asked for anew between
   two questions that found the same living process in the same namespace, of the same number.
3. No other pod claims that namespace, neither when its process is found nor when a link is: pods
   share none, and a process may enter any.

Once proven, a link outlives the process: a pair goes with either of its namespaces, so that while
the link is there with its other end where it was, the namespace is there, and a pod's for life.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

from nodeagent.discovery.endpoints import ProcessId
from nodeagent.discovery.link import NO_NAMESPACE, Link

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
    def has_ended(self) -> bool:
        """Whether it is known to have ended: that costs nothing to ask."""

    @property
    def is_at_home(self) -> bool:
        """Whether it runs at this moment, in the network namespace in which it was found."""

    def close(self) -> None:
        """Let go of it."""


_Held = TypeVar("_Held", bound=Witness)

# The index of a link, and the number of the namespace of its other end.
_Stray: TypeAlias = tuple[int, int]


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
        # The pods with a process that has not been asked about, or not with a clear answer.
        self._open: set[str] = set()
        # The links that led into no pod when that was last asked, each with where it leads.
        self._strays: frozenset[_Stray] = frozenset()

    def find(self, uid: str) -> Proof[_Held] | None:
        """Return what is proven of a pod, None for nothing."""
        return self._proofs.get(uid)

    def sandboxes(self) -> Mapping[str, _Held]:
        """Return the processes that are held, by the uid of their pod."""
        return {uid: proof.sandbox for uid, proof in self._proofs.items() if proof.sandbox}

    def close(self) -> None:
        """Let go of all processes."""
        self.review((), {})

    def review(self, uids: Collection[str], links: Mapping[int, Link]) -> bool:
        """Drop what holds no longer: of the pods but these, of processes that ended, of lost links.

        Return whether a pod has nothing left by that.
        """
        has_dropped = False
        for uid, proof in tuple(self._proofs.items()):
            if proof.sandbox and (uid not in uids or proof.sandbox.has_ended):
                proof.sandbox.close()
                proof.sandbox = None
            for index in tuple(proof.links):
                link = links.get(index)
                if link is not None and _leads_into(link, proof.namespace):
                    proof.links[index] = link
                else:
                    del proof.links[index]
            if uid not in uids or not (proof.sandbox or proof.links):
                del self._proofs[uid]
                has_dropped = True
        return has_dropped

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
        self._open |= sandboxes.keys() - refused.keys()
        for uid in refused:
            sandboxes[uid].close()
        return refused

    def settle(self, links: Iterable[Link]) -> None:
        """Find the links that lead into the pods. Blocks; nothing else may be done with this meanwhile.

        The kernel is asked about processes and links that are new, and not again about others: a
        namespace keeps its number. Where it has none, that is asked again when a link comes that
        leads into an unknown one.
        """
        proven = {index for proof in self._proofs.values() for index in proof.links}
        strays = {
            (link.index, link.peer_namespace)
            for link in links
            if link.index not in proven and _leads_into(link, link.peer_namespace)
        }
        news = strays - self._strays
        asked = {
            uid for uid, proof in self._proofs.items() if self._is_open(uid, proof, bool(news))
        }
        self._open = {uid for uid in asked if not self._number(self._proofs[uid])}
        pods: dict[int, list[str]] = {}
        for uid, proof in self._proofs.items():
            pods.setdefault(proof.namespace, []).append(uid)
        for stray in strays:
            index, namespace = stray
            for uid in pods.get(namespace, ()):
                if (stray in news or uid in asked) and not self._prove(self._proofs[uid], index):
                    self._open.add(uid)
        self._strays = frozenset(strays)

    def _is_open(self, uid: str, proof: Proof[_Held], has_news: bool) -> bool:
        is_nowhere = proof.namespace == NO_NAMESPACE and has_news
        return proof.sandbox is not None and (uid in self._open or is_nowhere)

    def _number(self, proof: Proof[_Held]) -> bool:
        """Ask for the number of a pod's namespace; return whether there is an answer."""
        if proof.links:
            return True
        assert proof.sandbox is not None
        at_home = proof.sandbox.is_at_home
        namespace = self._kernel.namespace_of(proof.sandbox.process.pid) if at_home else None
        proof.namespace = NO_NAMESPACE if namespace is None else namespace
        return namespace is not None

    def _prove(self, proof: Proof[_Held], index: int) -> bool:
        """Take a link if it leads into the namespace that the pod's was numbered, and still is."""
        sandbox = proof.sandbox
        if sandbox is None or not sandbox.is_at_home:
            return False
        link = self._kernel.link(index)
        namespace = self._kernel.namespace_of(sandbox.process.pid)
        if link is None or namespace != proof.namespace or not sandbox.is_at_home:
            return False
        if not _leads_into(link, namespace):
            return False
        proof.links[index] = link
        return True


def _leads_into(link: Link, namespace: int) -> bool:
    is_pair = link.kind in PAIRS and namespace != NO_NAMESPACE
    return is_pair and link.peer_namespace == namespace
