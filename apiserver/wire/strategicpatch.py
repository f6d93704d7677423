"""Strategic merge patch (apimachinery, util/strategicpatch): a merge patch that knows lists.

Lists whose schema says so are merged, by a key of their items or as sets; all others are replaced. A
patch may also hold directives: `$patch` (replace, delete), `$retainKeys`, and for a list `x`
`$setElementOrder/x` and `$deleteFromPrimitiveList/x`.
"""

from functools import partial

from apiserver.jsontypes import JsonArray, JsonObject, JsonValue, array_at, object_at, text_at
from apiserver.wire.patcherrors import MalformedPatchError
from apiserver.wire.strategiclists import DIRECTIVE, MergedList, shown

_RETAIN_KEYS = "$retainKeys"
_SET_ORDER = "$setElementOrder"
_DELETE_FROM = "$deleteFromPrimitiveList"


def strategic_merge_patch(target: JsonObject, patch: JsonObject, schema: JsonObject) -> JsonObject:
    """Return `target` as `patch` changes it. Neither is changed; the result may share parts with both.

    `schema` is inline; its `x-kubernetes-patch-strategy` and `x-kubernetes-patch-merge-key` decide,
    and without them `x-kubernetes-list-type`: sets, and maps with one key, are merged. Recursion goes
    as deep as the patch, which `body.MAX_DEPTH` bounds. Raises `MalformedPatchError`,
    `UnfitPatchError`.
    """
    if DIRECTIVE in patch:
        return _directed(patch)
    merged = _retained(target, patch)
    ordered = {_list_name(key): key for key in patch if key.startswith(_SET_ORDER)}
    for name, key in ordered.items():
        _merge_ordered(merged, patch, name, patch[key], _member(schema, name))
    for key, value in patch.items():
        if key not in ordered and not _is_directive(key):
            _merge_member(merged, key, value, _member(schema, key))
    # After the rest: what is both added and deleted is gone.
    for key, value in patch.items():
        if key.startswith(_DELETE_FROM):
            _delete_from(merged, _list_name(key), value)
    return merged


def _is_directive(key: str) -> bool:
    return key in {DIRECTIVE, _RETAIN_KEYS} or key.startswith((_SET_ORDER, _DELETE_FROM))


def _list_name(key: str) -> str:
    """Return the list that a directive is for: what stands after its slash."""
    directive, slash, name = key.partition("/")
    if slash and directive in {_SET_ORDER, _DELETE_FROM}:
        return name
    kind = "setElementOrder list" if key.startswith(_SET_ORDER) else "primitive list"
    raise MalformedPatchError(f"invalid patch format of {kind}")


def _directed(patch: JsonObject) -> JsonObject:
    """Return what a patch that does not merge makes of any object."""
    match patch[DIRECTIVE]:
        case "replace":
            return {key: value for key, value in patch.items() if key != DIRECTIVE}
        case "delete":
            return {}
        case other:
            raise MalformedPatchError(f"unknown patch type: {other} in map: {shown(patch)}")


def _retained(target: JsonObject, patch: JsonObject) -> JsonObject:
    """Return a copy of the target, with nothing but what `$retainKeys` names where it is there."""
    if _RETAIN_KEYS not in patch:
        return dict(target)
    names = patch[_RETAIN_KEYS]
    retained = (
        {each for each in names if isinstance(each, str)} if isinstance(names, list) else None
    )
    changed = {key for key, value in patch.items() if value is not None and not _is_directive(key)}
    if retained is None or not changed <= retained:
        raise MalformedPatchError("invalid patch format of retainKeys")
    return {key: value for key, value in target.items() if key in retained}


def _merge_member(merged: JsonObject, key: str, value: JsonValue, schema: JsonObject) -> None:
    current = merged.get(key)
    rule = _merging(schema)
    match current, value:
        case _, None:
            merged.pop(key, None)
        case dict(), dict():
            replaced = "replace" in _strategies(schema)
            merged[key] = value if replaced else strategic_merge_patch(current, value, schema)
        case list(), list() if rule is not None:
            merged[key] = rule.merged(current, value)
        case _, dict() if DIRECTIVE in value:
            # There is nothing to delete or to replace: Kubernetes does not even look which it is.
            merged.pop(key, None)
        case list(), list():
            merged[key] = value
        case _:
            merged[key] = _plain(value)


def _merge_ordered(
    merged: JsonObject, patch: JsonObject, key: str, order: JsonValue, schema: JsonObject
) -> None:
    """Merge a list, and then put it in the order that the patch asks for."""
    present = {name: each[key] for name, each in (("old", merged), ("new", patch)) if key in each}
    if not all(isinstance(each, list) for each in (order, *present.values())):
        raise MalformedPatchError("invalid patch format of setElementOrder list")
    before, changes = array_at(present, "old"), array_at(present, "new")
    wanted: JsonArray = order if isinstance(order, list) else []
    rule = _merging(schema) or _merged_list("", schema)
    rule.require_order(changes, wanted)
    if "new" in present:
        _merge_member(merged, key, changes, schema)
    if present:
        merged[key] = rule.ordered(array_at(merged, key), wanted, before=before)


def _delete_from(merged: JsonObject, key: str, values: JsonValue) -> None:
    current = merged.get(key)
    if values is None:
        merged.pop(key, None)
    elif not isinstance(values, list):
        raise MalformedPatchError("invalid patch format of primitive list")
    elif isinstance(current, list):
        merged[key] = _merged_list("", {}).without(current, values)


def _member(schema: JsonObject, key: str) -> JsonObject:
    """Return the schema of a member; what no schema knows has an empty one, and goes later."""
    known = object_at(schema, "properties").get(key)
    return known if isinstance(known, dict) else object_at(schema, "additionalProperties")


def _strategies(schema: JsonObject) -> list[str]:
    return text_at(schema, "x-kubernetes-patch-strategy").split(",")


def _merging(schema: JsonObject) -> MergedList | None:
    """Return how a list is merged, or None where it is replaced."""
    if "merge" in _strategies(schema):
        return _merged_list(text_at(schema, "x-kubernetes-patch-merge-key"), schema)
    if "x-kubernetes-patch-strategy" in schema:
        return None
    match schema.get("x-kubernetes-list-type"), array_at(schema, "x-kubernetes-list-map-keys"):
        case "set", _:
            return _merged_list("", schema)
        case "map", [str(key)]:
            return _merged_list(key, schema)
        case _:
            return None


def _merged_list(key: str, schema: JsonObject) -> MergedList:
    return MergedList(key, partial(strategic_merge_patch, schema=object_at(schema, "items")))


def _plain(value: JsonValue) -> JsonValue:
    """Return what a patch says of something that was not there: null and `$patch` mean nothing."""
    if isinstance(value, list):
        return [_plain(each) for each in value if not _is_directed(each)]
    if isinstance(value, dict):
        return {
            key: _plain(each)
            for key, each in value.items()
            if each is not None and not _is_directed(each)
        }
    return value


def _is_directed(value: JsonValue) -> bool:
    return isinstance(value, dict) and DIRECTIVE in value
