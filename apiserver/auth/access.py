"""May this user do this? The rules of an installation without a cluster (DESIGN 9.4).

There is no RBAC to ask: administrators may do everything, nodes what node agents do, nobody else
anything.
"""

from apiserver.agentapi import NODE_USER_PREFIX, NODES_GROUP, REPORT_PLURAL
from apiserver.auth.identity import MASTERS, User
from apiserver.resource.types import GROUP, PLURAL
from apiserver.wire.request import RequestInfo

# Set by kube-apiserver for ServiceAccount tokens that are bound to a pod (DESIGN 4).
NODE_NAME_EXTRA = "authentication.kubernetes.io/node-name"

_READS = frozenset({"get", "list", "watch"})


def may(user: User, request: RequestInfo) -> bool:
    """Tell whether the user may make the request."""
    if MASTERS in user.groups:
        return True
    if NODES_GROUP not in user.groups or request.group != GROUP or request.subresource:
        return False
    if request.resource == PLURAL:
        return request.verb in _READS
    return request.resource == REPORT_PLURAL and request.verb == "create"


def node_of(user: User) -> str:
    """Return the node that the user speaks for, or an empty text."""
    if NODES_GROUP in user.groups and user.name.startswith(NODE_USER_PREFIX):
        return user.name.removeprefix(NODE_USER_PREFIX)
    named = user.extra.get(NODE_NAME_EXTRA, ())
    return named[0] if named else ""
