"""Writes that change nothing but the times of managedFields, and so are none."""

from apiserver.jsontypes import JsonArray, JsonObject, JsonValue, array_at, object_at


def same_but_for_times(new: JsonObject, old: JsonObject) -> bool:
    """Say whether two objects differ in nothing, or only in the times in their managedFields."""
    if new == old:
        return True
    before, after = _entries(old), _entries(new)
    if len(before) != len(after):
        return False
    return all(map(_same_entry, after, before)) and _untracked(new) == _untracked(old)


def _entries(document: JsonObject) -> JsonArray:
    return array_at(object_at(document, "metadata"), "managedFields")


def _same_entry(left: JsonValue, right: JsonValue) -> bool:
    if not isinstance(left, dict) or not isinstance(right, dict):
        return left == right
    return {**left, "time": None} == {**right, "time": None}


def _untracked(document: JsonObject) -> JsonObject:
    metadata = {**object_at(document, "metadata"), "managedFields": None}
    return {**document, "metadata": metadata}
