"""What the server needs from the place where it runs."""

from dataclasses import dataclass

from apiserver.agents.client import AgentClient
from apiserver.auth.access import Access, PodNodes
from apiserver.auth.authentication import Authenticator
from apiserver.cluster.namespaces import Namespaces
from apiserver.serving.probes import Check
from apiserver.serving.tls import ServerTLS


@dataclass(frozen=True, slots=True)
class Environment:
    """Who may ask and how that is known, how the server shows who it is, and where the agents are.

    `checks` are what must be right here before the server is ready.
    """

    tls: ServerTLS
    authenticator: Authenticator
    access: Access
    namespaces: Namespaces
    agents: AgentClient | None
    pod_nodes: PodNodes | None
    checks: tuple[Check, ...]
