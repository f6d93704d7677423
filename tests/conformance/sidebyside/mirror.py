"""The same resource as a CustomResourceDefinition in another group: what kube-apiserver itself makes of our schema."""

from apiserver.jsontypes import JsonObject, JsonValue, object_at
from apiserver.resource.schema.kind import kind_schema
from apiserver.resource.types import GROUP, KIND, LIST_KIND, PLURAL, SINGULAR, VERSION

# As long as ours: error messages that are cut somewhere are cut at the same place.
MIRROR_GROUP = "projectmirror.org"
assert len(MIRROR_GROUP) == len(GROUP)

NAME = f"{PLURAL}.{MIRROR_GROUP}"

# Of a schema in an OpenAPI document, but not of one in a CustomResourceDefinition.
_FOREIGN = ("x-kubernetes-group-version-kind", "x-kubernetes-patch-")


def definition() -> JsonObject:
    """Return the CustomResourceDefinition, to be created by a client."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME},
        "spec": {
            "group": MIRROR_GROUP,
            "scope": "Namespaced",
            "names": {
                "plural": PLURAL,
                "singular": SINGULAR,
                "kind": KIND,
                "listKind": LIST_KIND,
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": _schema()},
                    "subresources": {"status": {}},
                }
            ],
        },
    }


def _schema() -> JsonObject:
    properties = object_at(kind_schema({"type": "object"}), "properties")
    # A default of the status is not yet there after a create, which clears it: the first update that
    # changes nothing would write it, and so have a version of its own.
    status = {k: v for k, v in object_at(properties, "status").items() if k != "default"}
    return {"type": "object", "properties": structural({**properties, "status": status})}


def structural(schema: JsonValue) -> JsonValue:
    """Return a schema without what a CustomResourceDefinition does not take."""
    match schema:
        case dict():
            kept = {key: each for key, each in schema.items() if not key.startswith(_FOREIGN)}
            return {key: structural(each) for key, each in kept.items()}
        case list():
            return [structural(each) for each in schema]
        case _:
            return schema


_OURS, _THEIRS = (name.partition(".")[0] for name in (GROUP, MIRROR_GROUP))


def mirrored(text: str) -> str:
    """Return what is said of our group, said of the mirror's."""
    return text.replace(_OURS, _THEIRS)


def unmirrored(text: str) -> str:
    """Return what is said of the mirror's group, said of ours; error messages may quote it as hex."""
    named = text.replace(_THEIRS, _OURS)
    return named.replace(_THEIRS.encode().hex(), _OURS.encode().hex())
