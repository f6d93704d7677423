"""Options of a deletion, in the query or in a body of their own (apimachinery, meta/v1)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from apiserver import fields
from apiserver.jsontypes import JsonObject, JsonValue
from apiserver.wire.jsontext import json_type
from apiserver.wire.negotiation import META_GROUP
from apiserver.wire.query import Query, first, flag, integer
from apiserver.wire.resources import Resource
from apiserver.wire.status import ApiError, bad_request, invalid
from apiserver.wire.writeoptions import DRY_RUN_ALL, dry_run_errors

_GO_TYPES = {
    "dryRun": "[]string",
    "gracePeriodSeconds": "int64",
    "orphanDependents": "bool",
    "preconditions": "v1.Preconditions",
    "propagationPolicy": "v1.DeletionPropagation",
    "resourceVersion": "string",
    "uid": "types.UID",
}

_Plain = TypeVar("_Plain", str, int, bool, JsonObject)


class Propagation(StrEnum):
    """What a deletion does to the objects that the deleted one owns."""

    FOREGROUND = "Foreground"
    BACKGROUND = "Background"
    ORPHAN = "Orphan"


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """Options of a deletion. `uid` and `resource_version` are preconditions."""

    dry_run: bool = False
    grace_period_seconds: int | None = None
    propagation: Propagation | None = None
    orphan_dependents: bool | None = None
    uid: str | None = None
    resource_version: str | None = None

    def to_json(self) -> JsonObject:
        """Return the options as an object, as admission is shown them."""
        wanted: JsonObject = {"uid": self.uid, "resourceVersion": self.resource_version}
        preconditions: JsonObject = {
            key: value for key, value in wanted.items() if value is not None
        }
        members: JsonObject = {
            "kind": "DeleteOptions",
            "apiVersion": f"{META_GROUP}/v1",
            "dryRun": [DRY_RUN_ALL] if self.dry_run else None,
            "gracePeriodSeconds": self.grace_period_seconds,
            "propagationPolicy": self.propagation,
            "orphanDependents": self.orphan_dependents,
            "preconditions": preconditions or None,
        }
        return {key: value for key, value in members.items() if value is not None}


def parse_delete_options(
    query: Query, body: JsonObject | None, resource: Resource
) -> DeleteOptions:
    """Return the options, from the body where there is one, else from the query.

    A body, be it but `{}`, makes the query not count; None is for a body of length zero. Preconditions
    can only stand in a body. Raises `ApiError`, 400 or 422.
    """
    return _delete_options(_from_query(query) if body is None else _from_body(body, resource))


def _from_query(query: Query) -> JsonObject:
    return {
        "dryRun": list(query.get("dryRun", ())),
        "gracePeriodSeconds": integer(query, "gracePeriodSeconds"),
        "propagationPolicy": first(query, "propagationPolicy"),
        "orphanDependents": flag(query, "orphanDependents"),
    }


def _from_body(body: JsonObject, resource: Resource) -> JsonObject:
    kind, version = body.get("kind") or "DeleteOptions", body.get("apiVersion") or "v1"
    known = ("v1", f"{META_GROUP}/v1", resource.group_version)
    if kind == "DeleteOptions" and version in known:
        return body
    raise bad_request(f'no kind "{kind}" is registered for version "{version}"')


def _delete_options(values: JsonObject) -> DeleteOptions:
    """Return the options in a `DeleteOptions` document; fields that it does not know are ignored."""
    policy = _optional(values, "propagationPolicy", str)
    orphan = _optional(values, "orphanDependents", bool)
    dry_run = _dry_run(values.get("dryRun"))
    name, errors = "propagationPolicy", []
    if policy is not None and orphan is not None:
        why = "orphanDependents and deletionPropagation cannot be both set"
        errors.append(fields.invalid(name, policy, why))
    if policy is not None and policy not in set(Propagation):
        errors.append(fields.not_supported(name, policy, (*Propagation, "nil")))
    errors += dry_run_errors(dry_run)
    if errors:
        raise invalid("DeleteOptions", META_GROUP, "", errors)
    preconditions = _optional(values, "preconditions", dict) or {}
    return DeleteOptions(
        dry_run=bool(dry_run),
        grace_period_seconds=_optional(values, "gracePeriodSeconds", int),
        propagation=None if policy is None else Propagation(policy),
        orphan_dependents=orphan,
        uid=_optional(preconditions, "uid", str),
        resource_version=_optional(preconditions, "resourceVersion", str),
    )


def _dry_run(value: JsonValue) -> list[str]:
    values = [] if value is None else value
    texts = [each for each in values if isinstance(each, str)] if isinstance(values, list) else []
    if texts != values:
        raise _mistyped("dryRun", values)
    return texts


def _optional(values: JsonObject, name: str, kind: type[_Plain]) -> _Plain | None:
    """Return a member that must be of a type where it is there; a boolean is no integer."""
    value = values.get(name)
    if value is None or (isinstance(value, kind) and isinstance(value, bool) == (kind is bool)):
        return value
    raise _mistyped(name, value)


def _mistyped(name: str, value: JsonValue) -> ApiError:
    found, wanted = json_type(value), _GO_TYPES[name]
    return bad_request(
        f"json: cannot unmarshal {found} into Go struct field DeleteOptions.{name} of type {wanted}"
    )
