"""The components of an OpenAPI v3 document: kinds, their lists, and the types that they are made of."""

from dataclasses import dataclass, field

from apiserver.jsontypes import JsonArray, JsonObject, JsonValue, object_at, text_at
from apiserver.wire.metaschema import LIST_META, text
from apiserver.wire.resources import Resource

_INT_OR_STRING_NAME = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_INT_OR_STRING: JsonObject = {
    "format": "int-or-string",
    "oneOf": [{"type": "integer"}, {"type": "string"}],
}
_API_VERSION = text("Version of the schema that this object is written in: group/version.")
_KIND = text("Name of the schema that this object is written in.")
REFERENCE_PREFIX = "#/components/schemas/"


def kind_name(resource: Resource) -> str:
    """Return the component's name of a kind: the group backwards, then version and kind."""
    return ".".join((*reversed(resource.group.split(".")), resource.version, resource.kind))


def list_name(resource: Resource) -> str:
    """Return the component's name of a kind's list."""
    return f"{kind_name(resource)}List"


def group_version_kind(resource: Resource, kind: str) -> JsonObject:
    """Return what ties a schema or an operation to a kind."""
    return {"group": resource.group, "version": resource.version, "kind": kind}


def reference(name: str) -> JsonObject:
    """Return the reference to a component."""
    return {"$ref": f"{REFERENCE_PREFIX}{name}"}


@dataclass(frozen=True, slots=True)
class Components:
    """Components by their names; whatever one of them refers to is there too."""

    schemas: JsonObject = field(default_factory=dict)

    def refer(self, schema: JsonObject) -> JsonObject:
        """Return an inline schema with references to its types, which become components.

        A type is an object with a `title`, its name, or an int-or-string: written inline, `kubectl
        explain` would show either as `<Object>`.
        """
        return self._refer(schema, ())

    def _refer(self, schema: JsonObject, kept: tuple[str, ...]) -> JsonObject:
        """Do so; the keywords `kept` stand with the reference, and not with the type."""
        if schema.get("x-kubernetes-int-or-string") is True:
            self._add(_INT_OR_STRING_NAME, _INT_OR_STRING)
            return _referring(_INT_OR_STRING_NAME, schema, ("description", "default"))
        inner = {key: self._inner(key, each) for key, each in schema.items()}
        name = text_at(inner, "title")
        if not name:
            return inner
        apart = (*kept, "title", "default")
        self._add(name, {key: each for key, each in inner.items() if key not in apart})
        return _referring(name, schema, (*kept, "default"))

    def add_kind(self, resource: Resource, schema: JsonObject) -> None:
        """Add a kind, of which `schema` is the inline schema, and its list if there is one."""
        kinds: JsonArray = [group_version_kind(resource, resource.kind)]
        properties: JsonObject = {
            "apiVersion": _API_VERSION,
            "kind": _KIND,
            **object_at(schema, "properties"),
        }
        whole = {**schema, "properties": properties, "x-kubernetes-group-version-kind": kinds}
        self._add(kind_name(resource), self.refer(whole))
        if "list" in resource.verbs:
            self._add(list_name(resource), self.refer(_list_schema(resource)))

    def _inner(self, key: str, value: JsonValue) -> JsonValue:
        match key, value:
            case "properties", dict():
                # kubectl lists a field with what stands beside its reference, and never with the
                # description of the type that it refers to.
                return {
                    name: self._refer(each, ("description",))
                    for name, each in value.items()
                    if isinstance(each, dict)
                }
            case "items" | "additionalProperties", dict():
                return self.refer(value)
            case _:
                return value

    def _add(self, name: str, schema: JsonObject) -> None:
        known = self.schemas.setdefault(name, schema)
        assert known == schema, f"two types are called {name}"


def _referring(name: str, schema: JsonObject, kept: tuple[str, ...]) -> JsonObject:
    """Return the reference to a component, beside what stands with the reference itself."""
    beside = {key: each for key, each in schema.items() if key in kept}
    return {**beside, "allOf": [reference(name)]} if beside else reference(name)


def _list_schema(resource: Resource) -> JsonObject:
    return {
        "type": "object",
        "description": f"{resource.list_kind} is a list of {resource.kind}.",
        "required": ["items"],
        "properties": {
            "apiVersion": _API_VERSION,
            "kind": _KIND,
            "metadata": LIST_META,
            "items": {
                "type": "array",
                "description": "The objects.",
                "items": reference(kind_name(resource)),
            },
        },
        "x-kubernetes-group-version-kind": [group_version_kind(resource, resource.list_kind)],
    }
