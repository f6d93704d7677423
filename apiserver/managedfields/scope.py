"""Which parts of an object a write can own: not its identity, and not what its endpoint resets."""

from apiserver.jsontypes import JsonObject, object_at
from apiserver.managedfields.elements import field_element
from apiserver.managedfields.fieldset import MEMBER, NOTHING, SELF, FieldSet

# apiserver-protocol 7.1.
_IDENTITY = ("apiVersion", "kind")
_METADATA_IDENTITY = frozenset({
    "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation",
    "managedFields", "resourceVersion",
})  # fmt: skip

# What the main endpoint leaves alone. An endpoint of that name leaves alone all else (7.7).
_SUBRESOURCES = frozenset({"status"})

NEVER_OWNED: FieldSet = {
    **{field_element(name): MEMBER for name in _IDENTITY},
    field_element("metadata"): {
        SELF: NOTHING,
        **{field_element(name): MEMBER for name in _METADATA_IDENTITY},
    },
}

_RESET_BY_MAIN: FieldSet = {field_element(name): MEMBER for name in _SUBRESOURCES}
_RESET_BY_SUBRESOURCE: FieldSet = {field_element(name): MEMBER for name in ("metadata", "spec")}


def reset_fields(subresource: str) -> FieldSet:
    """Return the fields that writes through an endpoint do not set, with all that is in them."""
    return _RESET_BY_SUBRESOURCE if subresource else _RESET_BY_MAIN


def tracked_part(document: JsonObject, subresource: str) -> JsonObject:
    """Return the part of an object in which an endpoint's writes are tracked."""
    if subresource:
        return {name: document[name] for name in (subresource,) if name in document}
    part: JsonObject = {
        name: value
        for name, value in document.items()
        if name not in _IDENTITY and name not in _SUBRESOURCES
    }
    if "metadata" in part:
        metadata = object_at(document, "metadata")
        part["metadata"] = {
            name: value for name, value in metadata.items() if name not in _METADATA_IDENTITY
        }
    return part
