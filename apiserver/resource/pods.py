"""What a Pod document says of an endpoint: is it one, and which labels do selectors see.

Pure. The rules are calico-semantics 5.3 and 5.4 and DESIGN 9.5; the server and the agents have them
from here, so that both select the same pods.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from apiserver.jsontypes import JsonObject, object_at, text_at

Labels: TypeAlias = Mapping[str, str]

# Prefixes of labels that are inherited from namespace and service account: a pod's own labels of
# that form are not believed.
NAMESPACE_PREFIX: Final = "pcns."
ACCOUNT_PREFIX: Final = "pcsa."
INHERITED_PREFIXES: Final = (NAMESPACE_PREFIX, ACCOUNT_PREFIX)

NAMESPACE_LABEL: Final = "projectcalico.org/namespace"
ORCHESTRATOR_LABEL: Final = "projectcalico.org/orchestrator"
SERVICE_ACCOUNT_LABEL: Final = "projectcalico.org/serviceaccount"
_NAME_LABEL: Final = "projectcalico.org/name"

_ORCHESTRATOR: Final = "k8s"

# No process of these will send anything again, and their sandbox goes.
_FINISHED_PHASES: Final = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that has not finished.

    `node` is empty before it is scheduled. `labels` are those that selectors see, without what is
    inherited. One with the node's network is no endpoint: its traffic is the node's.
    """

    namespace: str
    name: str
    uid: str
    node: str
    labels: Labels = field(hash=False)
    service_account: str
    is_on_host_network: bool
    is_terminating: bool


def read_pod(document: JsonObject) -> Pod | None:
    """Return the pod; None if it has finished."""
    metadata, spec = object_at(document, "metadata"), object_at(document, "spec")
    phase = text_at(object_at(document, "status"), "phase")
    if phase in _FINISHED_PHASES or not text_at(metadata, "uid"):
        return None
    # What many pods have in common is kept once.
    return Pod(
        namespace=sys.intern(text_at(metadata, "namespace")),
        name=text_at(metadata, "name"),
        uid=text_at(metadata, "uid"),
        node=sys.intern(text_at(spec, "nodeName")),
        labels=_own_labels(metadata, spec),
        service_account=sys.intern(text_at(spec, "serviceAccountName")),
        is_on_host_network=spec.get("hostNetwork") is True,
        is_terminating=bool(text_at(metadata, "deletionTimestamp")),
    )


def labels_at(document: JsonObject) -> Labels:
    """Return an object's own labels."""
    labels = object_at(object_at(document, "metadata"), "labels")
    return {
        sys.intern(key): sys.intern(value)
        for key, value in labels.items()
        if isinstance(value, str)
    }


def namespace_labels(document: JsonObject) -> Labels:
    """Return what the pods of a namespace inherit from it."""
    return _inherited(NAMESPACE_PREFIX, document)


def account_labels(document: JsonObject) -> Labels:
    """Return what the pods of a service account inherit from it."""
    return _inherited(ACCOUNT_PREFIX, document)


def labels_of_unknown_account(name: str) -> Labels:
    """Return what pods inherit from a service account of which only the name is known."""
    return {ACCOUNT_PREFIX + _NAME_LABEL: name}


def _inherited(prefix: str, document: JsonObject) -> Labels:
    labels = {f"{prefix}{key}": value for key, value in labels_at(document).items()}
    labels[prefix + _NAME_LABEL] = text_at(object_at(document, "metadata"), "name")
    return labels


def _own_labels(metadata: JsonObject, spec: JsonObject) -> Labels:
    labels = {
        key: value
        for key, value in labels_at({"metadata": metadata}).items()
        if not key.startswith(INHERITED_PREFIXES)
    }
    labels[NAMESPACE_LABEL] = sys.intern(text_at(metadata, "namespace"))
    labels[ORCHESTRATOR_LABEL] = _ORCHESTRATOR
    if account := text_at(spec, "serviceAccountName"):
        labels[SERVICE_ACCOUNT_LABEL] = sys.intern(account)
    return labels
