"""Whether a write is one that a webhook or a policy is about, the labels of its namespace included."""

from collections.abc import Mapping
from typing import Protocol

from apiserver.cluster.admission.matching import Match
from apiserver.cluster.namespaces import NamespaceUnknownError
from apiserver.wire import status
from apiserver.wire.admissionreview import Attributes


class NamespaceLabels(Protocol):
    """Knows the labels of namespaces."""

    async def labels_of(self, name: str) -> Mapping[str, str] | None:
        """Return the labels of a namespace, None where there is none. Raises NamespaceUnknownError."""


async def applies(match: Match, attributes: Attributes, namespaces: NamespaceLabels) -> bool:
    """Tell whether the write is meant.

    Raises ApiError, 404 or 500, where that depends on a namespace that nobody knows.
    """
    if not match.covers(attributes):
        return False
    if match.namespaces.is_everything or not attributes.namespace:
        return True
    try:
        labels = await namespaces.labels_of(attributes.namespace)
    except NamespaceUnknownError as error:
        raise status.internal(str(error)) from error
    if labels is None:
        raise status.namespace_not_found(attributes.namespace)
    return match.covers_namespace(labels)
