"""What a request asks for, read from its method, path and query before anybody authorizes it.

The rules are those of the API server library (endpoints/request/requestinfo.go), without what no
aggregated server serves: `/api`, and the deprecated `/watch/` prefix, which is but an unknown resource.
"""

from dataclasses import dataclass
from html import escape
from urllib.parse import unquote

from apiserver.fields import quoted
from apiserver.wire.fieldselectors import SelectorError, parse_field_selector
from apiserver.wire.names import path_segment_problems
from apiserver.wire.query import Query, first, flag
from apiserver.wire.status import ApiError, Details, bad_request

# /apis/GROUP/VERSION/RESOURCE: anything shorter is discovery.
_SHORTEST_RESOURCE_PATH = 4

_VERBS = {
    "POST": "create", "GET": "get", "HEAD": "get",
    "PUT": "update", "PATCH": "patch", "DELETE": "delete",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """The attributes of a request.

    `path` is percent-decoded once; `segments` are its parts without the empty ones at either end.
    `rest` are the segments after the subresource. A list or watch that selects one `metadata.name`
    has it in `name`, because rules for single names apply to it.
    """

    method: str
    path: str
    verb: str
    segments: tuple[str, ...] = ()
    is_resource: bool = False
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    name: str = ""
    subresource: str = ""
    rest: tuple[str, ...] = ()

    def require_valid_names(self) -> None:
        """Refuse names that no object can have. Raises a 400 `ApiError`.

        This comes after authorization, as in Kubernetes; `..` must not get as far as a store's keys.
        """
        for segment in (self.namespace, self.name, *self.rest):
            problems = path_segment_problems(segment)
            if problems:
                raise bad_request(
                    f"Name parameter invalid: {quoted(segment)}: {';'.join(problems)}"
                )


def parse_request(method: str, raw_path: str, query: Query) -> RequestInfo:
    """Return what a request asks for; `raw_path` is the path as sent, still percent-encoded."""
    path = unquote(raw_path)
    segments = tuple(path.strip("/").split("/")) if path.strip("/") else ()
    # An empty segment inside would make an empty namespace, which means all of them: never a resource.
    if segments[:1] != ("apis",) or len(segments) < _SHORTEST_RESOURCE_PATH or "" in segments:
        return RequestInfo(method, path, method.lower(), segments)
    _, group, version, *parts = segments
    namespace, parts = _namespace_of(parts)
    resource, name, subresource, *rest = (*parts, "", "")[: max(3, len(parts))]
    verb = _VERBS.get(method, method.lower())
    if not name:
        verb, name = _of_collection(verb, query)
    return RequestInfo(
        method,
        path,
        verb,
        segments,
        is_resource=True,
        group=group,
        version=version,
        namespace=namespace,
        resource=resource,
        name=name,
        subresource=subresource,
        rest=tuple(rest),
    )


def _namespace_of(parts: list[str]) -> tuple[str, list[str]]:
    """Return the namespace, and what follows it; `namespaces/x` alone is the namespace itself."""
    match parts:
        case ["namespaces", namespace]:
            return namespace, parts
        case ["namespaces", namespace, *inside]:
            return namespace, inside
        case _:
            return "", parts


def _of_collection(verb: str, query: Query) -> tuple[str, str]:
    """Return verb and name of a request for a whole collection."""
    if verb == "delete":
        return "deletecollection", ""
    if verb != "get":
        return verb, ""
    return ("watch" if flag(query, "watch") else "list"), _selected_name(query)


def _selected_name(query: Query) -> str:
    """Return the only name that can match, or an empty one; errors are for the verb to report."""
    try:
        name = parse_field_selector(first(query, "fieldSelector") or "").exact_name
    except SelectorError:
        return ""
    return name if name and not path_segment_problems(name) else ""


def access_denied(user: str, info: RequestInfo, *, why: str = "") -> ApiError:
    """Return the 403 of the authorizer; `why` is the reason that it gave, if any."""
    sentence = f"User {quoted(user)} cannot {info.verb} {_object_of(info)}"
    # User names and paths are the client's text; browsers must not read markup in them.
    denial = escape(sentence, quote=False) + (f": {why}" if why else "")
    if not info.is_resource:
        return ApiError(403, "Forbidden", f"forbidden: {denial}", details=Details())
    what = f"{info.resource}.{info.group}" + (f" {quoted(info.name)}" if info.name else "")
    details = Details(name=info.name, group=info.group, kind=info.resource)
    return ApiError(403, "Forbidden", f"{what} is forbidden: {denial}", details=details)


def _object_of(info: RequestInfo) -> str:
    """Return what a request is about, as the end of a sentence."""
    if not info.is_resource:
        return f"path {quoted(info.path)}"
    resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    where = (
        f"in the namespace {quoted(info.namespace)}" if info.namespace else "at the cluster scope"
    )
    return f"resource {quoted(resource)} in API group {quoted(info.group)} {where}"
