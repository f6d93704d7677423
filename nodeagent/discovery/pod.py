"""What a Pod document says about an endpoint of this node (calico-semantics 5.3, DESIGN 9.5). Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from apiserver.jsontypes import JsonObject, array_at, integer_at, object_at, text_at
from apiserver.resource import pods
from apiserver.resource.spec.badvalues import InvalidError, MalformedError
from apiserver.resource.spec.ports import MAX_PORT, parse_protocol
from nodeagent.discovery.endpoints import EndpointPort

# A static pod is the kubelet's own, and what the API has of it is a mirror with another uid. Its
# cgroup is named after the hash of its manifest, which the mirror repeats in this annotation.
_MIRROR: Final = "kubernetes.io/config.mirror"
# MD5, and never the form of the uid of another pod.
_CONFIG_HASH: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Pod(pods.Pod):
    """A pod of this node that may have interfaces of its own.

    `cgroup_uid` is the uid by which the kubelet knows it.
    """

    cgroup_uid: str
    ports: tuple[EndpointPort, ...]


def read_pod(document: JsonObject, *, node: str) -> Pod | None:
    """Return the pod; None if it is none of this node, if it has finished or has the node's network."""
    pod = pods.read_pod(document)
    if pod is None or pod.node != node or pod.is_on_host_network:
        return None
    metadata, spec = object_at(document, "metadata"), object_at(document, "spec")
    return Pod(
        namespace=pod.namespace,
        name=pod.name,
        uid=pod.uid,
        node=pod.node,
        labels=pod.labels,
        service_account=pod.service_account,
        is_on_host_network=False,
        is_terminating=pod.is_terminating,
        cgroup_uid=_cgroup_uid(metadata, spec, node),
        ports=tuple(_ports(spec)),
    )


def _cgroup_uid(metadata: JsonObject, spec: JsonObject, node: str) -> str:
    """Return the uid of the pod's cgroup: of a mirror, that of the static pod.

    Whoever may create pods may write that annotation, and would be shown the packets of the pod that
    it names. So it counts only in what looks like a kubelet's mirror in full: owned by this node,
    without a service account, naming a static pod. A forged one the kubelet removes within seconds,
    and while two pods name one cgroup neither is captured.
    """
    config_hash = text_at(object_at(metadata, "annotations"), _MIRROR)
    is_mirror = _is_owned_by(metadata, node) and not text_at(spec, "serviceAccountName")
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
