"""Patches: from bytes to what they make of an object, with the answers of Kubernetes where they fail.

Server-side apply is not here: it has to know who has set which field.
"""

from dataclasses import dataclass

import orjson

from apiserver import fields
from apiserver.jsontypes import JsonObject, JsonValue
from apiserver.wire.body import MAX_DEPTH
from apiserver.wire.jsonpatch import json_patch, unknown_members
from apiserver.wire.jsontext import JsonTextError, json_type, parse_json
from apiserver.wire.mergepatch import merge_patch
from apiserver.wire.negotiation import PatchType
from apiserver.wire.patcherrors import MalformedPatchError, PatchTooLongError, UnfitPatchError
from apiserver.wire.status import ApiError, bad_request, invalid, rejected, too_much
from apiserver.wire.strategicpatch import strategic_merge_patch


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch that was read; whether it fits an object shows when it is applied.

    `strict_errors` is what strict field validation objects to in the patch itself: keys that are set
    twice, members that operations do not have.
    """

    kind: PatchType
    body: JsonValue
    strict_errors: tuple[str, ...]

    def applied_to(self, old: JsonObject, schema: JsonObject) -> JsonObject:
        """Return what the patch makes of an object, which is not changed. Raises `ApiError` 400, 413, 422.

        `schema` is the inline schema of the object's kind: strategic patches look at it.
        """
        try:
            patched = self._patched(old, schema)
        except MalformedPatchError as error:
            raise bad_request(str(error)) from error
        except PatchTooLongError as error:
            raise too_much(str(error)) from error
        except UnfitPatchError as error:
            raise rejected() from error
        if not isinstance(patched, dict):
            raise _no_object(patched)
        return patched

    def _patched(self, old: JsonObject, schema: JsonObject) -> JsonValue:
        match self.kind, self.body:
            case PatchType.JSON, list() | None:
                return json_patch(old, self.body)
            case PatchType.MERGE, dict():
                return merge_patch(old, self.body)
            case PatchType.STRATEGIC, dict() | None:
                return strategic_merge_patch(old, self.body or {}, schema)
            case _:
                raise AssertionError(f"{self.kind} was not read by read_patch")


def read_patch(data: bytes, kind: PatchType) -> Patch:
    """Return the patch that a body holds: a JSON, merge or strategic one. Raises a 400 `ApiError`."""
    about = "" if kind is PatchType.STRATEGIC else "error decoding patch: "
    try:
        body, duplicates = parse_json(data.decode("utf-8", "replace"), max_depth=MAX_DEPTH)
    except JsonTextError as error:
        raise bad_request(f"{about}{error}") from error
    if kind is PatchType.MERGE and body is None:
        raise bad_request("Invalid JSON Patch")
    wanted = list if kind is PatchType.JSON else dict
    if body is not None and not isinstance(body, wanted):
        found, expected = json_type(body), json_type(wanted())
        raise bad_request(
            f"{about}json: cannot unmarshal {found} into a patch, which is an {expected}"
        )
    if kind is PatchType.JSON and isinstance(body, list | None):
        duplicates = (*(f"json patch {each}" for each in duplicates), *unknown_members(body))
    return Patch(kind, body, duplicates)


def _no_object(patched: JsonValue) -> ApiError:
    why = f"json: cannot unmarshal {json_type(patched)} into an object"
    shown = orjson.dumps(patched).decode()
    return invalid("", "", "", [fields.invalid("patch", shown, why)])
