"""What happens to `metadata` on its way in: what the server owns, what the request must say.

Sources: apiserver registry/rest (create.go, update.go) and apimachinery api/validation/objectmeta.go.
Every function returns a new object. `managedFields` pass as they are: they are what the request says
until the managers of its fields are known.
"""

from datetime import UTC, datetime

import orjson

from apiserver.jsontypes import JsonArray, JsonObject, array_at, integer_at, text_at
from apiserver.wire.names import NAME_SUFFIX_LENGTH
from apiserver.wire.options import parse_resource_version
from apiserver.wire.status import bad_request

_MAX_GENERATED_LENGTH = 63

_WIPED_ON_CREATE = frozenset(
    {
        "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
        "uid", "selfLink", "resourceVersion", "generation",
    }
)  # fmt: skip
_KEPT_ON_UPDATE = ("creationTimestamp", "generation", "resourceVersion")


def render_time(moment: datetime) -> str:
    """Return an aware moment as Kubernetes writes it: UTC, whole seconds, `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def require_scope(metadata: JsonObject, *, namespace: str, name: str | None) -> None:
    """Refuse a body that names another object than the URL; `name` is None on create.

    Raises a 400 `ApiError`.
    """
    if text_at(metadata, "namespace") not in {"", namespace}:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if name is None:
        return
    given = text_at(metadata, "name")
    if not given:
        raise bad_request(
            f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
        )
    if given != name:
        raise bad_request(
            f"the name of the object ({given}) does not match the name on the URL ({name})"
        )


def resource_version_in(metadata: JsonObject) -> int | None:
    """Return the version that a request holds, None where there is none or it is 0.

    Raises a 400 `ApiError` where it does not parse.
    """
    return parse_resource_version(text_at(metadata, "resourceVersion")) or None


def require_no_resource_version(metadata: JsonObject) -> None:
    """Refuse the version on an object to be created. Raises a 400 `ApiError` (Kubernetes says 500).

    What could not be one, as a text that is no number, is passed over.
    """
    version = text_at(metadata, "resourceVersion")
    if version.isdecimal() and version.strip("0"):
        raise bad_request("resourceVersion should not be set on objects to be created")


def wipe_for_create(metadata: JsonObject, *, namespace: str) -> JsonObject:
    """Return the metadata of a request without what only the server may set, and in its namespace."""
    kept = {key: value for key, value in metadata.items() if key not in _WIPED_ON_CREATE}
    return _normalized({**kept, "namespace": namespace})


def prepare_create(
    metadata: JsonObject, *, namespace: str, uid: str, now: datetime, name_suffix: str
) -> JsonObject:
    """Return the metadata of a new object: what only the server may set is wiped, then set.

    `name_suffix` (five random characters of `names.NAME_SUFFIX_ALPHABET`) is used where there is
    `generateName` and no name.
    """
    prepared = wipe_for_create(metadata, namespace=namespace)
    base = text_at(metadata, "generateName")
    if base and not text_at(metadata, "name"):
        prepared["name"] = base[: _MAX_GENERATED_LENGTH - NAME_SUFFIX_LENGTH] + name_suffix
    server_set: JsonObject = {
        "uid": uid,
        "creationTimestamp": render_time(now),
        "generation": 1,
    }
    return _normalized({**prepared, **server_set})


def prepare_update(metadata: JsonObject, old: JsonObject) -> JsonObject:
    """Return the metadata of an update: what only the server may change is as in `old`.

    A deletion that the old object does not know of is left for validation to refuse.
    """
    prepared = {key: value for key, value in metadata.items() if key != "selfLink"}
    for key in _KEPT_ON_UPDATE:
        _keep(prepared, old, key)
    if "deletionTimestamp" in old:
        _keep(prepared, old, "deletionTimestamp")
    for key in ("uid", "namespace", "deletionGracePeriodSeconds"):
        if metadata.get(key) in {None, ""}:
            _keep(prepared, old, key)
    return _normalized(prepared)


def with_next_generation(metadata: JsonObject) -> JsonObject:
    """Return the metadata with its generation one up: the desired state has changed."""
    return {**metadata, "generation": integer_at(metadata, "generation") + 1}


def _keep(prepared: JsonObject, old: JsonObject, key: str) -> None:
    prepared.pop(key, None)
    if key in old:
        prepared[key] = old[key]


def _normalized(metadata: JsonObject) -> JsonObject:
    """Drop what is empty, as Go does, so that equal objects are stored as equal bytes."""
    members = {**metadata, "ownerReferences": _distinct(array_at(metadata, "ownerReferences"))}
    # An empty list of managers is a wish: to forget them all.
    return {
        key: value
        for key, value in members.items()
        if value not in (None, "", {}, []) or (key == "managedFields" and value is not None)
    }


def _distinct(items: JsonArray) -> JsonArray:
    # By their text: comparing each with each would take hours for a body at its limit.
    return list({orjson.dumps(each, option=orjson.OPT_SORT_KEYS): each for each in items}.values())
