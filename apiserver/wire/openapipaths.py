"""The paths of an OpenAPI v3 document: each verb that a resource serves, as kube-apiserver describes it.

What tools need of it (kubectl explain, kubectl's field validation, apply):
* `x-kubernetes-group-version-kind` is one object on operations and an array on schemas;
* every PATCH has the parameter `fieldValidation` inline, or kubectl validates by itself;
* the content types of PATCH are exactly those that are supported: apply picks among them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from apiserver.jsontypes import JsonArray, JsonObject
from apiserver.wire import openapiparameters as parameters
from apiserver.wire.negotiation import BodyMedia, PatchType
from apiserver.wire.openapimeta import DELETE_OPTIONS, PATCH, STATUS
from apiserver.wire.openapischemas import (
    Components,
    group_version_kind,
    kind_name,
    list_name,
    reference,
)
from apiserver.wire.resources import Resource, Subresource

_ALL_NAMESPACES = "ForAllNamespaces"


@dataclass(frozen=True, slots=True)
class Reading:
    """What GET answers on a path below an object that is not of the object's own kind.

    `path` begins with the subresource, `files/{node}`; `parts` describe the templates in it by name.
    `schema` is inline, and the same for all `media`.
    """

    path: str
    description: str
    media: tuple[str, ...]
    schema: JsonObject
    parts: tuple[tuple[str, str], ...] = ()

    @property
    def subresource(self) -> str:
        """The name of the subresource."""
        return self.path.partition("/")[0]


@dataclass(frozen=True, slots=True)
class KindSchema:
    """A resource, and the structural schema of its kind, inline (as `schema.prune` takes it).

    `readings` are all that is served by subresources of another kind.
    """

    resource: Resource
    schema: JsonObject
    readings: tuple[Reading, ...] = ()


@dataclass(frozen=True, slots=True)
class _Method:
    """How a verb is written down; `{}` in `description` is where the kind stands."""

    method: str
    action: str
    operation: str
    description: str
    parameters: JsonArray
    codes: tuple[HTTPStatus, ...] = (HTTPStatus.OK,)


_OK, _CREATED, _ACCEPTED = HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED
_METHODS = {
    "list": _Method("get", "list", "list", "list or watch {}s", parameters.LIST),
    "create": _Method(
        "post", "post", "create", "create a {}", parameters.WRITE, (_OK, _CREATED, _ACCEPTED)
    ),
    "deletecollection": _Method(
        "delete", "deletecollection", "delete", "delete {}s", parameters.DELETE_COLLECTION
    ),
    "get": _Method("get", "get", "read", "read the {}", parameters.READ),
    "update": _Method(
        "put", "put", "replace", "replace the {}", parameters.WRITE, (_OK, _CREATED)
    ),
    "patch": _Method(
        "patch", "patch", "patch", "change a part of the {}", parameters.WRITE, (_OK, _CREATED)
    ),
    "delete": _Method(
        "delete", "delete", "delete", "delete the {}", parameters.DELETE, (_OK, _ACCEPTED)
    ),
}
_COLLECTION_VERBS = ("list", "create", "deletecollection")
_ITEM_VERBS = ("get", "update", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Paths:
    """The paths of one kind; what they refer to is added to `components`."""

    kind: KindSchema
    patch_types: Sequence[PatchType]
    components: Components

    def all(self) -> Iterator[tuple[str, JsonObject]]:
        """Return each path and what is served there."""
        resource = self.kind.resource
        base = f"/apis/{resource.group_version}"
        place: JsonArray = []
        collection = f"{base}/{resource.plural}"
        if resource.namespaced:
            if "list" in resource.verbs:
                yield collection, self._path(place, ["list"], _ALL_NAMESPACES)
            place = [parameters.NAMESPACE]
            collection = f"{base}/namespaces/{{namespace}}/{resource.plural}"
        yield from self._served(collection, place, _COLLECTION_VERBS)
        item, place = f"{collection}/{{name}}", [parameters.NAME, *place]
        yield from self._served(item, place, _ITEM_VERBS)
        for each in resource.subresources:
            yield from self._subresource(each, item, place)

    def _served(
        self, path: str, place: JsonArray, verbs: Sequence[str]
    ) -> Iterator[tuple[str, JsonObject]]:
        served = [each for each in verbs if each in self.kind.resource.verbs]
        if served:
            yield path, self._path(place, served)

    def _subresource(
        self, subresource: Subresource, item: str, place: JsonArray
    ) -> Iterator[tuple[str, JsonObject]]:
        if not subresource.kind:
            served = [each for each in _ITEM_VERBS if each in subresource.verbs]
            suffix = subresource.name.capitalize()
            yield f"{item}/{subresource.name}", self._path(place, served, suffix)
        for each in self.kind.readings:
            if each.subresource == subresource.name:
                yield f"{item}/{each.path}", self._reading(each, subresource, place)

    def _path(self, place: JsonArray, verbs: Sequence[str], suffix: str = "") -> JsonObject:
        path: JsonObject = {"parameters": [*place, parameters.PRETTY]}
        for verb in verbs:
            path[_METHODS[verb].method] = self._operation(verb, suffix)
        return path

    def _operation(self, verb: str, suffix: str) -> JsonObject:
        resource, method = self.kind.resource, _METHODS[verb]
        applies = verb == "patch" and PatchType.APPLY in self.patch_types
        of_status = f"{suffix.lower()} of a " if suffix and suffix != _ALL_NAMESPACES else ""
        operation: JsonObject = {
            "description": method.description.format(f"{of_status}{resource.kind}"),
            "operationId": self._operation_id(verb, suffix),
            "parameters": [*method.parameters, *([parameters.FORCE] if applies else [])],
            "responses": _responses(method.codes, _content(BodyMedia, self._answer(verb))),
            **self._tied_to(resource.kind, method.action),
        }
        body = self._body(verb)
        return {**operation, "requestBody": body} if body else operation

    def _reading(self, reading: Reading, subresource: Subresource, place: JsonArray) -> JsonObject:
        parts = [parameters.in_path(name, text) for name, text in reading.parts]
        words = reading.path.replace("{", "").replace("}", "").split("/")
        content = _content(reading.media, self.components.refer(reading.schema))
        operation: JsonObject = {
            "description": reading.description,
            "operationId": self._operation_id("get", "".join(map(str.capitalize, words))),
            "responses": _responses((_OK,), content),
            **self._tied_to(subresource.kind, "get"),
        }
        return {"parameters": [*place, *parts], "get": operation}

    def _operation_id(self, verb: str, suffix: str) -> str:
        """Return the name of the method in generated clients; they are Kubernetes' own names."""
        resource = self.kind.resource
        many = "Collection" if verb == "deletecollection" else ""
        scope = "Namespaced" if resource.namespaced and suffix != _ALL_NAMESPACES else ""
        group = f"{_camel(resource.group)}{resource.version.capitalize()}"
        return f"{_METHODS[verb].operation}{group}{many}{scope}{resource.kind}{suffix}"

    def _tied_to(self, kind: str, action: str) -> JsonObject:
        resource = self.kind.resource
        group = _camel(resource.group)
        return {
            "tags": [f"{group[:1].lower()}{group[1:]}_{resource.version}"],
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": group_version_kind(resource, kind),
        }

    def _answer(self, verb: str) -> JsonObject:
        match verb:
            case "list":
                return reference(list_name(self.kind.resource))
            case "delete" | "deletecollection":
                return self.components.refer(STATUS)
            case _:
                return reference(kind_name(self.kind.resource))

    def _body(self, verb: str) -> JsonObject:
        match verb:
            case "create" | "update":
                schema = reference(kind_name(self.kind.resource))
                return {"content": _content(BodyMedia, schema), "required": True}
            case "patch":
                schema = self.components.refer(PATCH)
                return {"content": _content(self.patch_types, schema), "required": True}
            case "delete" | "deletecollection":
                return {"content": _content(BodyMedia, self.components.refer(DELETE_OPTIONS))}
            case _:
                return {}


def _responses(codes: Sequence[HTTPStatus], content: JsonObject) -> JsonObject:
    refused = HTTPStatus.UNAUTHORIZED
    return {
        **{str(each.value): {"description": each.phrase, "content": content} for each in codes},
        str(refused.value): {"description": refused.phrase},
    }


def _content(media: Sequence[str] | type[BodyMedia], schema: JsonObject) -> JsonObject:
    return {str(each): {"schema": schema} for each in media}


def _camel(group: str) -> str:
    return "".join(part.capitalize() for part in group.split("."))
