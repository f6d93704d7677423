"""JSON merge patch (RFC 7386)."""

from apiserver.jsontypes import JsonObject, JsonValue


def merge_patch(target: JsonValue, patch: JsonValue) -> JsonValue:
    """Return `target` as `patch` changes it. Neither is changed; the result may share parts with both.

    Recursion goes as deep as the patch, which `body.MAX_DEPTH` bounds.
    """
    if not isinstance(patch, dict):
        return patch
    merged: JsonObject = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged
