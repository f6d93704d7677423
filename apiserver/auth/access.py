"""May this user do this? Who decides it, and the rules of an installation without a cluster."""

from dataclasses import dataclass
from typing import Protocol

from apiserver.agentapi.names import NODE_USER_PREFIX, NODES_GROUP
from apiserver.agentapi.reports import REPORT_PLURAL
from apiserver.auth.identity import MASTERS, User
from apiserver.resource.types import GROUP, PLURAL
from apiserver.wire.request import RequestInfo

# Set by kube-apiserver for ServiceAccount tokens that are bound to a pod (DESIGN 4); the node's name
# since Kubernetes 1.30.
NODE_NAME_EXTRA = "authentication.kubernetes.io/node-name"
POD_NAME_EXTRA = "authentication.kubernetes.io/pod-name"
POD_UID_EXTRA = "authentication.kubernetes.io/pod-uid"

_READS = frozenset({"get", "list", "watch"})


class UndecidedError(Exception):
    """Nobody could tell whether it is allowed; so it is not, and the client may try again."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether it is allowed, and what the one who decided adds for people, if anything."""

    allowed: bool
    reason: str = ""


class Access(Protocol):
    """Decides over requests of authenticated users."""

    async def decide(self, user: User, request: RequestInfo) -> Decision:
        """Tell whether the user may make the request. Raises UndecidedError."""


class StandaloneAccess:
    """The rules where there is no RBAC to ask (DESIGN 9.4).

    Administrators may do everything, nodes what node agents do, nobody else anything.
    """

    async def decide(self, user: User, request: RequestInfo) -> Decision:
        """Tell whether the user may make the request."""
        return Decision(MASTERS in user.groups or _is_for_agents(user, request))


def _is_for_agents(user: User, request: RequestInfo) -> bool:
    if NODES_GROUP not in user.groups or request.group != GROUP or request.subresource:
        return False
    if request.resource == PLURAL:
        return request.verb in _READS
    return request.resource == REPORT_PLURAL and request.verb == "create"


class PodNodes(Protocol):
    """Knows on which node an agent's pod is."""

    def node_of_pod(self, name: str, uid: str) -> str:
        """Return the node of the pod that is called so, an empty text if there is none."""


def node_of(user: User, pods: PodNodes | None = None) -> str:
    """Return the node that the user speaks for, or an empty text.

    The token of an older cluster names its pod only; `pods` then tells where that is.
    """
    if NODES_GROUP in user.groups and user.name.startswith(NODE_USER_PREFIX):
        return user.name.removeprefix(NODE_USER_PREFIX)
    node, name, uid = (
        next(iter(user.extra.get(key, ())), "")
        for key in (NODE_NAME_EXTRA, POD_NAME_EXTRA, POD_UID_EXTRA)
    )
    if node or pods is None or not (name and uid):
        return node
    return pods.node_of_pod(name, uid)
