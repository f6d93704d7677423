"""Which CertificateSigningRequests are signed, and which are refused (DESIGN 9.4). Pure.

A node's agent gets a certificate for its own node and for nothing else. Who asks, and from which
node, is not in the request but in what kube-apiserver wrote beside it: `spec.username` and
`spec.extra` are those of the token that it came with. The token is bound to the agent's pod, and so
to the node that the pod runs on.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, TypeAlias

from apiserver.agentapi.names import AGENT_COMMON_NAME, AGENT_SIGNER, NODES_GROUP, agent_dns_name
from apiserver.jsontypes import JsonObject, array_at, integer_at, object_at, text_at
from apiserver.pki import CertificateRequest, Identity, PkiError, read_request

NODE_NAME_KEY: Final = "authentication.kubernetes.io/node-name"
POD_NAME_KEY: Final = "authentication.kubernetes.io/pod-name"
POD_UID_KEY: Final = "authentication.kubernetes.io/pod-uid"

_SERVICE_ACCOUNT: Final = "packetcapture-agent"
# "key encipherment" is asked for out of habit; it means nothing for ECDSA and is not granted.
_USAGES: Final = frozenset({"digital signature", "key encipherment", "server auth"})
# How long a pod may take to be seen, as when this server has just started.
_PATIENCE: Final = timedelta(minutes=1)


class PodNodes(Protocol):
    """Where the agents' pods run, for clusters whose tokens name a pod and no node (before 1.30)."""

    def node_of_pod(self, name: str, uid: str) -> str:
        """Return the node of that very pod, an empty text where it is not known."""
        ...


@dataclass(frozen=True, slots=True)
class Sign:
    """Sign for this identity and key; `lifetime` is what is asked for, None where it is left to us."""

    identity: Identity
    public_key: bytes
    lifetime: timedelta | None
    is_approved: bool


@dataclass(frozen=True, slots=True)
class Refuse:
    """Do not sign, for these reasons; somebody may have approved it already."""

    message: str
    is_approved: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """Not to be decided yet."""

    reason: str


Verdict: TypeAlias = Sign | Refuse | Wait


def agent_user(namespace: str) -> str:
    """Return the user name of the agents' ServiceAccount."""
    return f"system:serviceaccount:{namespace}:{_SERVICE_ACCOUNT}"


def judge(
    csr: JsonObject, *, namespace: str, pods: PodNodes | None, now: datetime
) -> Verdict | None:
    """Decide about a CertificateSigningRequest; None where there is nothing to do about it."""
    spec, status = object_at(csr, "spec"), object_at(csr, "status")
    conditions = _condition_types(status)
    user = text_at(spec, "username")
    is_settled = text_at(status, "certificate") or conditions & {"Denied", "Failed"}
    is_ours = text_at(spec, "signerName") == AGENT_SIGNER and not _is_anothers(user, namespace)
    if is_settled or not is_ours:
        return None
    is_approved = "Approved" in conditions
    if user != agent_user(namespace):
        return Refuse(f"only {agent_user(namespace)} gets certificates here", is_approved)
    node = _node_of(object_at(spec, "extra"), pods)
    if node is None and now < _made(csr) + _PATIENCE:
        return Wait("its pod is not known yet")
    try:
        request = read_request(b64decode(text_at(spec, "request"), validate=True))
    except (PkiError, Base64Error, ValueError) as error:
        return Refuse(str(error), is_approved)
    if faults := _faults(spec, request, node):
        return Refuse("; ".join(faults), is_approved)
    return Sign(
        identity=Identity(AGENT_COMMON_NAME, dns_names=request.dns_names),
        public_key=request.public_key,
        lifetime=_lifetime(spec),
        is_approved=is_approved,
    )


def _is_anothers(user: str, namespace: str) -> bool:
    """Tell whether it asks another installation: all have the same signer name."""
    match user.split(":"):
        case ["system", "serviceaccount", other, name]:
            return other != namespace and name == _SERVICE_ACCOUNT
        case _:
            return False


def _node_of(extra: JsonObject, pods: PodNodes | None) -> str | None:
    """Return the one node that the requester's token is bound to, empty where there is none.

    None where the token names a pod that is not known, or not yet.
    """
    if NODE_NAME_KEY in extra or pods is None:
        return _only(extra, NODE_NAME_KEY)
    pod, uid = _only(extra, POD_NAME_KEY), _only(extra, POD_UID_KEY)
    if not pod or not uid:
        return ""
    return pods.node_of_pod(pod, uid) or None


def _only(extra: JsonObject, key: str) -> str:
    match array_at(extra, key):
        case [str(value)]:
            return value
        case _:
            return ""


def _made(csr: JsonObject) -> datetime:
    """Return when kube-apiserver took it in; long ago where that cannot be read."""
    try:
        made = datetime.fromisoformat(text_at(object_at(csr, "metadata"), "creationTimestamp"))
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return made.replace(tzinfo=made.tzinfo or UTC)


def _faults(spec: JsonObject, request: CertificateRequest, node: str | None) -> list[str]:
    if not node:
        return ["the requester's token is not bound to one node"]
    faults = []
    name = agent_dns_name(node)
    if request.dns_names != (name,) or request.has_other_names:
        faults.append(f"its one alternative name has to be the DNS name {name}")
    if request.common_names != (AGENT_COMMON_NAME,):
        faults.append(f"its common name has to be {AGENT_COMMON_NAME}")
    if not set(request.organizations) <= {NODES_GROUP}:
        faults.append(f"its organization may be {NODES_GROUP} only")
    usages = {each for each in array_at(spec, "usages") if isinstance(each, str)}
    if not {"server auth"} <= usages <= _USAGES:
        faults.append('its usages have to be "digital signature" and "server auth"')
    return faults


def _lifetime(spec: JsonObject) -> timedelta | None:
    seconds = integer_at(spec, "expirationSeconds")
    return timedelta(seconds=seconds) if seconds > 0 else None


def _condition_types(status: JsonObject) -> set[str]:
    return {
        text_at(each, "type") for each in array_at(status, "conditions") if isinstance(each, dict)
    }
