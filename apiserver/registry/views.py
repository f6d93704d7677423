"""Parts of an object that a client may ask for by `?view=`, a parameter of ours (DESIGN 9.5)."""

from apiserver.agentapi.names import VIEW_SPEC
from apiserver.jsontypes import JsonObject, object_at
from apiserver.wire import status
from apiserver.wire.query import Query, first


def spec_view(document: JsonObject) -> JsonObject:
    """Return what node agents follow: metadata without managedFields, and the spec."""
    metadata = object_at(document, "metadata")
    return {
        "apiVersion": document["apiVersion"],
        "kind": document["kind"],
        "metadata": {k: v for k, v in metadata.items() if k != "managedFields"},
        "spec": document.get("spec", {}),
    }


def wants_spec_view(query: Query) -> bool:
    """Tell whether the view of the spec is asked for. Raises ApiError 400 for any other view."""
    view = first(query, "view")
    if view in (None, ""):
        return False
    if view != VIEW_SPEC:
        raise status.bad_request(f'view: Unsupported value: "{view}": supported values: "spec"')
    return True
