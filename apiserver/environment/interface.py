"""What the server needs from the place where it runs."""

from dataclasses import dataclass

from apiserver.agents.client import AgentClient
from apiserver.auth.access import Access, PodNodes
from apiserver.auth.authentication import Authenticator
from apiserver.cluster.namespaces import Namespaces
from apiserver.registry.controls import AdmissionControl
from apiserver.resource.status.happenings import Recorder
from apiserver.resource.surroundings import Surroundings
from apiserver.server.admissionmetrics import AdmissionMetrics
from apiserver.server.authmetrics import ReviewMetrics
from apiserver.serving.probes import Check
from apiserver.serving.tls import ServerTLS


@dataclass(frozen=True, slots=True)
class DelegationMetrics:
    """Where what is asked of others is counted."""

    reviews: ReviewMetrics
    admission: AdmissionMetrics


@dataclass(frozen=True, slots=True)
class Environment:
    """Who may ask and how that is known, how the server shows who it is, and what is around it.

    `agents` are those that it asks for files, `recorder` takes what happens to captures. `controls`
    are asked about every write; `checks` are what must be right here before the server is ready.
    """

    tls: ServerTLS
    authenticator: Authenticator
    access: Access
    namespaces: Namespaces
    controls: tuple[AdmissionControl, ...]
    agents: AgentClient | None
    pod_nodes: PodNodes | None
    surroundings: Surroundings
    recorder: Recorder
    checks: tuple[Check, ...]
