"""How a request is counted: labels of few values, whatever a client sends.

Verbs, scopes and dry runs are reported as kube-apiserver does (endpoints/metrics; apiserver-protocol
10.3, 13.9). A path that nobody serves is counted with the others of that kind, without a name.
"""

from collections.abc import Iterable
from typing import NamedTuple

from apiserver.wire.query import Query
from apiserver.wire.request import RequestInfo
from apiserver.wire.resources import Resource

COMPONENT = "apiserver"

_APPLY = "application/apply-patch+yaml"
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_OTHER = "other"
_SUBRESOURCES = frozenset({"", "status", "files", "log"})

_HEALTH = frozenset({"healthz", "livez", "readyz"})
_PAGES = frozenset({("api",), ("apis",), ("version",), ("openapi", "v2"), ("openapi", "v3")})


class RequestLabels(NamedTuple):
    """What most metrics of requests are broken down by."""

    verb: str
    group: str
    version: str
    resource: str
    subresource: str
    scope: str
    component: str


class Labelling:
    """Knows which resources there are to be counted by name."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._resources = frozenset((each.group, each.version, each.plural) for each in resources)
        self._groups = frozenset(each[:2] for each in self._resources)

    def labels(self, info: RequestInfo, content_type: str) -> RequestLabels:
        """Return how a request is counted; `content_type` tells an apply from other patches."""
        verb = _verb(info, content_type)
        of_resource = (info.group, info.version, info.resource)
        if info.is_resource and of_resource in self._resources:
            subresource = info.subresource if info.subresource in _SUBRESOURCES else _OTHER
            return RequestLabels(verb, *of_resource, subresource, _scope(info), COMPONENT)
        match info.segments:
            case ("apis", group, version) if (group, version) in self._groups:
                return RequestLabels(verb, group, version, "", "", "", COMPONENT)
        first = info.segments[0] if info.segments else ""
        if first in _HEALTH or info.path == "/metrics":
            return RequestLabels(verb, "", "", "", f"/{first}", "", "")
        page = info.segments[:2] if first == "openapi" else info.segments
        subresource = "/".join(page) if page in _PAGES else ""
        return RequestLabels(verb, "", "", "", subresource, "", COMPONENT)


def dry_run(query: Query) -> str:
    """Return how a dry run is counted."""
    values = query.get("dryRun")
    if not values:
        return ""
    return "All" if set(values) == {"All"} else "invalid"


def _verb(info: RequestInfo, content_type: str) -> str:
    if info.verb in {"watch", "list"}:
        return info.verb.upper()
    if info.method == "PATCH" and content_type == _APPLY:
        return "APPLY"
    if info.method == "HEAD":
        return "GET"
    # A collection is deleted by DELETE too, and told from an object by its scope.
    return info.method if info.method in _METHODS else _OTHER


def _scope(info: RequestInfo) -> str:
    if info.name or info.verb == "create":
        return "resource"
    return "namespace" if info.namespace else "cluster"
