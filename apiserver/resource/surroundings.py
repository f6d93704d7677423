"""What is known of the place where captures are: pods that selectors match, nodes and their agents.

Pure: the words in which the server's parts speak of it (DESIGN 9.1). Who follows a cluster fills
them in; where there is none, nothing is known, and nothing is said of it in a status.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from apiserver.resource.selector.nodes import Selector

# What `Surroundings.next_change` gives for a change that may concern every namespace.
EVERY_NAMESPACE = "*"


@dataclass(frozen=True, slots=True)
class SelectedPod:
    """A pod that a selector matches.

    `node` is empty before it is scheduled. `problem` says why it cannot be captured now (no node
    yet, no agent there, an agent that is not ready), in a few words for people; empty if it can.
    """

    namespace: str
    name: str
    uid: str
    node: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class NodeView:
    """What is known of a node: since when it was not heard of, and since when it has been gone.

    `silent_since` is None while its agent has been heard of within the last minute; `gone_since` is
    None while the Node object exists, and where nobody knows about nodes. `is_present` if it is known
    to exist, and `is_heard` if its agent has ever spoken to this server: of one that has just begun
    neither may be so, and nothing follows from that.
    """

    silent_since: datetime | None = None
    gone_since: datetime | None = None
    is_present: bool = False
    is_heard: bool = False


class Silence(Protocol):
    """Knows which agents have not been heard of."""

    def silent_since(self, node: str) -> datetime | None:
        """Return when a node was last heard of, None if that is less than a minute ago."""

    def is_heard(self, node: str) -> bool:
        """Tell whether a node has spoken to this server."""


class Surroundings(Protocol):
    """What is known of the cluster, as of now."""

    @property
    def knows_pods(self) -> bool:
        """Whether pods are known here, or are going to be; else only agents speak of them."""

    async def pods_selected(
        self, namespace: str, selector: Selector
    ) -> tuple[SelectedPod, ...] | None:
        """Return the pods that can be selected and are; None where that is not known (yet)."""

    async def host_network_pods(
        self, namespace: str, selector: Selector
    ) -> tuple[SelectedPod, ...]:
        """Return the pods that would match, but whose traffic is their node's."""

    def node(self, name: str) -> NodeView:
        """Return what is known of a node."""

    async def next_change(self) -> frozenset[str]:
        """Wait until pods, nodes or agents change; return the namespaces, or `EVERY_NAMESPACE`.

        What changes between two calls is not lost: the second returns at once.
        """
