"""OpenAPI v3: the index, and the document of a group version, of what is really served.

What tools need of it (kubectl explain, kubectl's field validation, apply):
* `x-kubernetes-group-version-kind` is one object on operations and an array on schemas;
* every PATCH has the parameter `fieldValidation` inline, or kubectl validates by itself;
* the content types of PATCH are exactly those that are supported: apply picks among them.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from apiserver.jsontypes import JsonArray, JsonObject
from apiserver.wire.metaschema import DELETE_OPTIONS_NAME, PATCH_NAME, STATUS_NAME
from apiserver.wire.negotiation import BodyMedia, PatchType
from apiserver.wire.openapischemas import (
    common_components,
    group_version_kind,
    kind_components,
    kind_name,
    list_name,
    reference,
)
from apiserver.wire.resources import Resource, Subresource


def _in_query(name: str, kind: str, description: str) -> JsonObject:
    schema: JsonObject = {"type": kind, "uniqueItems": True}
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _in_path(name: str, description: str) -> JsonObject:
    schema: JsonObject = {"type": "string", "uniqueItems": True}
    return {
        "name": name, "in": "path", "required": True, "description": description, "schema": schema,
    }  # fmt: skip


_NAMESPACE = _in_path("namespace", "Namespace of the objects.")
_NAME = _in_path("name", "Name of the object.")
_PRETTY = _in_query("pretty", "string", "Whether to indent the answer.")

_LIST: JsonArray = [
    _in_query("allowWatchBookmarks", "boolean", "Whether a watch may send bookmarks."),
    _in_query("continue", "string", "Token of an earlier part of the list."),
    _in_query("fieldSelector", "string", "Selects by metadata.name and metadata.namespace."),
    _in_query("labelSelector", "string", "Selects by labels."),
    _in_query("limit", "integer", "How many objects to answer with at most."),
    _in_query("resourceVersion", "string", "Version that the answer is about."),
    _in_query("resourceVersionMatch", "string", "How resourceVersion is meant."),
    _in_query("sendInitialEvents", "boolean", "Whether a watch begins with what there is."),
    _in_query("timeoutSeconds", "integer", "How long the request may take."),
    _in_query("watch", "boolean", "Whether to follow changes."),
]
_WRITE: JsonArray = [
    _in_query("dryRun", "string", "All: do everything but store."),
    _in_query("fieldManager", "string", "Name of the writer."),
    _in_query(
        "fieldValidation",
        "string",
        "What to do about unknown or duplicate fields: Ignore, Warn or Strict.",
    ),
]
_FORCE = _in_query("force", "boolean", "Whether an apply takes over the fields of others.")
_DELETE: JsonArray = [
    _in_query("dryRun", "string", "All: do everything but store."),
    _in_query("gracePeriodSeconds", "integer", "Seconds that the object is given to end."),
    _in_query("orphanDependents", "boolean", "Deprecated: use propagationPolicy."),
    _in_query("propagationPolicy", "string", "What becomes of objects that this one owns."),
]


@dataclass(frozen=True, slots=True)
class KindSchema:
    """A resource, and the structural schema of its kind, inline (as `schema.prune` takes it)."""

    resource: Resource
    schema: JsonObject


@dataclass(frozen=True, slots=True)
class _Method:
    """How a verb is written down: HTTP method, action, and the parameters that go with it."""

    method: str
    action: str
    parameters: JsonArray


_METHODS = {
    "list": _Method("get", "list", _LIST),
    "create": _Method("post", "post", _WRITE),
    "deletecollection": _Method("delete", "deletecollection", [*_LIST, *_DELETE]),
    "get": _Method("get", "get", []),
    "update": _Method("put", "put", _WRITE),
    "patch": _Method("patch", "patch", _WRITE),
    "delete": _Method("delete", "delete", _DELETE),
}
_COLLECTION_VERBS = ("list", "create", "deletecollection")
_ITEM_VERBS = ("get", "update", "patch", "delete")


def content_hash(body: bytes) -> str:
    """Return the hash of a document, for the index and, in quotes, as its entity tag."""
    return hashlib.sha512(body).hexdigest().upper()


def index(group_version: str, document_hash: str) -> JsonObject:
    """Return the document of `/openapi/v3`.

    It holds nothing but our own group version: the aggregator merges every key that it finds.
    """
    url = f"/openapi/v3/apis/{group_version}?hash={document_hash}"
    return {"paths": {f"apis/{group_version}": {"serverRelativeURL": url}}}


def document(
    kinds: Sequence[KindSchema], *, title: str, version: str, patch_types: Sequence[PatchType]
) -> JsonObject:
    """Return the document of one group version; `title` and `version` are those of this server."""
    paths: JsonObject = {}
    components = common_components()
    for each in kinds:
        paths.update(_Paths(each.resource, tuple(patch_types)).all())
        components.update(kind_components(each.resource, each.schema))
    return {
        "openapi": "3.0.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {"schemas": components},
    }


@dataclass(frozen=True, slots=True)
class _Paths:
    """The paths of one resource."""

    resource: Resource
    patch_types: tuple[PatchType, ...]

    def all(self) -> Iterator[tuple[str, JsonObject]]:
        resource, verbs = self.resource, self.resource.verbs
        base = f"/apis/{resource.group_version}"
        place: JsonArray = []
        collection = f"{base}/{resource.plural}"
        if resource.namespaced:
            if "list" in verbs:
                yield collection, self._path(place, ["list"], "ForAllNamespaces")
            place = [_NAMESPACE]
            collection = f"{base}/namespaces/{{namespace}}/{resource.plural}"
        item = f"{collection}/{{name}}"
        of_collection = [each for each in _COLLECTION_VERBS if each in verbs]
        of_item = [each for each in _ITEM_VERBS if each in verbs]
        if of_collection:
            yield collection, self._path(place, of_collection)
        if of_item:
            yield item, self._path([*place, _NAME], of_item)
        for each in resource.subresources:
            served = [verb for verb in _ITEM_VERBS if verb in each.verbs]
            yield (
                f"{item}/{each.name}",
                self._path([*place, _NAME], served, each.name.capitalize(), each),
            )

    def _path(
        self,
        place: JsonArray,
        verbs: Sequence[str],
        suffix: str = "",
        subresource: Subresource | None = None,
    ) -> JsonObject:
        path: JsonObject = {"parameters": [*place, _PRETTY]}
        for verb in verbs:
            path[_METHODS[verb].method] = self._operation(verb, suffix, subresource)
        return path

    def _operation(self, verb: str, suffix: str, subresource: Subresource | None) -> JsonObject:
        resource, method = self.resource, _METHODS[verb]
        kind = (subresource.kind if subresource else "") or resource.kind
        group = "".join(part.capitalize() for part in resource.group.split("."))
        scope = "Namespaced" if resource.namespaced and suffix != "ForAllNamespaces" else ""
        force = [_FORCE] if verb == "patch" and PatchType.APPLY in self.patch_types else []
        operation: JsonObject = {
            "operationId": (
                f"{verb}{group}{resource.version.capitalize()}{scope}{resource.kind}{suffix}"
            ),
            "tags": [f"{group[:1].lower()}{group[1:]}_{resource.version}"],
            "x-kubernetes-action": method.action,
            "x-kubernetes-group-version-kind": group_version_kind(resource, kind),
            "parameters": [*method.parameters, *force],
            "responses": self._responses(verb, foreign=kind != resource.kind),
        }
        body = self._body(verb)
        return {**operation, "requestBody": {"content": body}} if body else operation

    def _body(self, verb: str) -> JsonObject:
        match verb:
            case "create" | "update":
                return _content([*BodyMedia], reference(kind_name(self.resource)))
            case "patch":
                return _content(self.patch_types, reference(PATCH_NAME))
            case "delete" | "deletecollection":
                return _content([*BodyMedia], reference(DELETE_OPTIONS_NAME))
            case _:
                return {}

    def _responses(self, verb: str, *, foreign: bool) -> JsonObject:
        answers = {
            "list": list_name(self.resource),
            "deletecollection": STATUS_NAME,
            "delete": STATUS_NAME,
        }
        name = answers.get(verb, kind_name(self.resource))
        # What a subresource of another kind answers is not described here: it may be no JSON at all.
        content = _content(["*/*"], {}) if foreign else _content([*BodyMedia], reference(name))
        answer: JsonObject = {"description": "OK", "content": content}
        return {"200": answer, "201": answer} if verb == "create" else {"200": answer}


def _content(media: Sequence[str], schema: JsonObject) -> JsonObject:
    return {str(each): {"schema": schema} for each in media}
