"""What a Pod document says about an endpoint (calico-semantics 5.3 and 5.4, DESIGN 9.5). Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from apiserver.jsontypes import JsonObject, array_at, integer_at, object_at, text_at
from apiserver.resource.ports import MAX_PORT, InvalidError, MalformedError, parse_protocol
from nodeagent.discovery.endpoints import (
    INHERITED_PREFIXES,
    NAMESPACE_LABEL,
    ORCHESTRATOR_LABEL,
    SERVICE_ACCOUNT_LABEL,
    EndpointPort,
)

_ORCHESTRATOR: Final = "k8s"
_NAMESPACE_PREFIX, _ACCOUNT_PREFIX = INHERITED_PREFIXES
_NAME_LABEL: Final = "projectcalico.org/name"

# No process of these will send anything again, and their sandbox goes.
_FINISHED_PHASES: Final = frozenset({"Succeeded", "Failed"})

# A static pod is the kubelet's own, and what the API has of it is a mirror with another uid. Its
# cgroup is named after the hash of its manifest, which the mirror repeats in this annotation.
_MIRROR: Final = "kubernetes.io/config.mirror"
# MD5, and never the form of the uid of another pod.
_CONFIG_HASH: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of this node that may have interfaces of its own.

    `labels` are those that selectors see, without what is inherited. `cgroup_uid` is the uid by which
    the kubelet knows it.
    """

    namespace: str
    name: str
    uid: str
    cgroup_uid: str
    labels: Mapping[str, str] = field(hash=False)
    service_account: str
    ports: tuple[EndpointPort, ...]
    is_terminating: bool


def read_pod(document: JsonObject, *, node: str) -> Pod | None:
    """Return the pod; None if it is none of this node, if it has finished or has the node's network."""
    metadata, spec = object_at(document, "metadata"), object_at(document, "spec")
    phase = text_at(object_at(document, "status"), "phase")
    if text_at(spec, "nodeName") != node or spec.get("hostNetwork") is True:
        return None
    if phase in _FINISHED_PHASES or not text_at(metadata, "uid"):
        return None
    return Pod(
        namespace=text_at(metadata, "namespace"),
        name=text_at(metadata, "name"),
        uid=text_at(metadata, "uid"),
        cgroup_uid=_cgroup_uid(metadata, spec, node),
        labels=_labels(metadata, spec),
        service_account=_service_account(spec),
        ports=tuple(_ports(spec)),
        is_terminating=bool(text_at(metadata, "deletionTimestamp")),
    )


def inherited_labels(
    pod: Pod, namespace: Mapping[str, str], account: Mapping[str, str] | None
) -> Mapping[str, str]:
    """Return the pod's labels with those of its namespace and, unless None, its service account."""
    labels = {f"{_NAMESPACE_PREFIX}{key}": value for key, value in namespace.items()}
    labels[_NAMESPACE_PREFIX + _NAME_LABEL] = pod.namespace
    if account is not None and pod.service_account:
        labels |= {f"{_ACCOUNT_PREFIX}{key}": value for key, value in account.items()}
        labels[_ACCOUNT_PREFIX + _NAME_LABEL] = pod.service_account
    return {**labels, **pod.labels}


def labels_at(document: JsonObject) -> Mapping[str, str]:
    """Return an object's own labels."""
    labels = object_at(object_at(document, "metadata"), "labels")
    return {key: value for key, value in labels.items() if isinstance(value, str)}


def _labels(metadata: JsonObject, spec: JsonObject) -> Mapping[str, str]:
    labels = {
        key: value
        for key, value in labels_at({"metadata": metadata}).items()
        if not key.startswith(INHERITED_PREFIXES)
    }
    labels[NAMESPACE_LABEL] = text_at(metadata, "namespace")
    labels[ORCHESTRATOR_LABEL] = _ORCHESTRATOR
    if account := _service_account(spec):
        labels[SERVICE_ACCOUNT_LABEL] = account
    return labels


def _service_account(spec: JsonObject) -> str:
    return text_at(spec, "serviceAccountName")


def _cgroup_uid(metadata: JsonObject, spec: JsonObject, node: str) -> str:
    """Return the uid of the pod's cgroup: of a mirror, that of the static pod.

    Whoever may create pods may write that annotation, and would be shown the packets of the pod that
    it names. So it counts only in what looks like a kubelet's mirror in full: owned by this node,
    without a service account, naming a static pod. A forged one the kubelet removes within seconds,
    and while two pods name one cgroup neither is captured.
    """
    config_hash = text_at(object_at(metadata, "annotations"), _MIRROR)
    is_mirror = _is_owned_by(metadata, node) and not _service_account(spec)
    if is_mirror and _CONFIG_HASH.fullmatch(config_hash):
        return config_hash
    return text_at(metadata, "uid")


def _is_owned_by(metadata: JsonObject, node: str) -> bool:
    return any(
        isinstance(owner, dict)
        and text_at(owner, "kind") == "Node"
        and text_at(owner, "name") == node
        for owner in array_at(metadata, "ownerReferences")
    )


def _ports(spec: JsonObject) -> Iterator[EndpointPort]:
    for kind in ("initContainers", "containers"):
        for container in array_at(spec, kind):
            entries = array_at(container, "ports") if isinstance(container, dict) else []
            for entry in entries:
                if isinstance(entry, dict) and (port := _port(entry)) is not None:
                    yield port


def _port(entry: JsonObject) -> EndpointPort | None:
    name, number = text_at(entry, "name"), integer_at(entry, "containerPort")
    try:
        protocol = parse_protocol(text_at(entry, "protocol") or "TCP")
    except (InvalidError, MalformedError):
        return None
    if not name or protocol is None or not 1 <= number <= MAX_PORT:
        return None
    return EndpointPort(name, protocol, number)
