"""Rules for `metadata` (apimachinery, api/validation/objectmeta.go), all errors at once: the first 100.

What a name may be differs between resources, so that rule is an argument.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import TypeAlias

import orjson

from apiserver import fields
from apiserver.fields import FieldError
from apiserver.jsontypes import JsonObject, JsonValue, array_at, object_at, text_at
from apiserver.wire.names import (
    dns_label_problems,
    label_key_problems,
    label_value_problems,
    path_segment_problems,
)

NameProblems: TypeAlias = Callable[[str], Sequence[str]]

MAX_ANNOTATION_BYTES = 256 * 1024
ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"
_STANDARD_FINALIZERS = frozenset({ORPHAN, FOREGROUND, "kubernetes"})

_DUPLICATE_OWNERS = (
    ".metadata.ownerReferences contains duplicate entries{}; API server dedups owner references in "
    "1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) "
    "observed: {}"
)
_IMMUTABLE = ("name", "namespace", "uid", "deletionTimestamp", "deletionGracePeriodSeconds")


def validate_metadata(metadata: JsonObject, name_problems: NameProblems) -> list[FieldError]:
    """Return all that is wrong with the metadata of a new object, once it is prepared."""
    errors = chain(_name_errors(metadata, name_problems), _content_errors(metadata))
    return list(islice(errors, fields.MAX_ERRORS))


def validate_metadata_update(
    metadata: JsonObject, old: JsonObject, name_problems: NameProblems = path_segment_problems
) -> list[FieldError]:
    """Return all that is wrong with the metadata of an update, once it is prepared.

    Of names this asks no more than that they fit into a path: what they were made of may be anything.
    """
    errors = validate_metadata(metadata, name_problems)
    added = _added_finalizers(metadata, old)
    if "deletionTimestamp" in old and added:
        names = ", ".join(map(fields.quoted, added))
        why = (
            "no new finalizers can be added if the object is being deleted, found new finalizers "
            f"[]string{{{names}}}"
        )
        errors.append(fields.forbidden("metadata.finalizers", why))
    for key in _IMMUTABLE:
        if metadata.get(key) != old.get(key):
            field = f"metadata.{key}"
            errors.append(fields.invalid(field, metadata.get(key), "field is immutable"))
    return errors


def metadata_warnings(metadata: JsonObject, old: JsonObject | None = None) -> tuple[str, ...]:
    """Return what to warn of: finalizers that are new and have no domain in their name."""
    return tuple(
        f"metadata.finalizers: {fields.quoted(each)}: prefer a domain-qualified finalizer name "
        f"{'including a path (/) ' if '.' in each else ''}to avoid accidental conflicts with other "
        "finalizer writers"
        for each in _added_finalizers(metadata, old or {})
        if "/" not in each and each not in _STANDARD_FINALIZERS
    )


def owner_warnings(metadata: JsonObject, *, patched: bool = False) -> tuple[str, ...]:
    """Return what to warn of in a request's owner references, before duplicates are dropped.

    Kubernetes looks at the result of a patch later than at a body, and says so.
    """
    seen: set[bytes] = set()
    repeated: list[str] = []
    for owner in array_at(metadata, "ownerReferences"):
        text = orjson.dumps(owner, option=orjson.OPT_SORT_KEYS)
        if text in seen and isinstance(owner, dict):
            repeated.append(text_at(owner, "uid"))
        seen.add(text)
    if not repeated:
        return ()
    when = " after mutating admission happens" if patched else ""
    return (_DUPLICATE_OWNERS.format(when, ", ".join(repeated)),)


def _name_errors(metadata: JsonObject, name_problems: NameProblems) -> Iterator[FieldError]:
    name, base = text_at(metadata, "name"), text_at(metadata, "generateName")
    if base:
        # What is generated goes on after a trailing dash, so the dash itself is no fault. Kubernetes
        # takes away what is before it as well (apimachinery, api/validation/generic.go).
        stem = f"{base[:-2]}a" if len(base) > 1 and base.endswith("-") else base
        yield from _invalid("metadata.generateName", base, name_problems(stem))
    if name:
        yield from _invalid("metadata.name", name, name_problems(name))
    else:
        yield fields.required("metadata.name", "name or generateName is required")
    namespace = text_at(metadata, "namespace")
    if namespace:
        yield from _invalid("metadata.namespace", namespace, dns_label_problems(namespace))


def _content_errors(metadata: JsonObject) -> Iterator[FieldError]:
    yield from _label_errors(object_at(metadata, "labels"))
    yield from _annotation_errors(object_at(metadata, "annotations"))
    yield from _owner_errors(array_at(metadata, "ownerReferences"))
    yield from _finalizer_errors(_finalizers(metadata))


def _label_errors(labels: JsonObject) -> Iterator[FieldError]:
    for key, value in labels.items():
        yield from _invalid("metadata.labels", key, label_key_problems(key))
        yield from _invalid("metadata.labels", value, label_value_problems(str(value)))


def _annotation_errors(annotations: JsonObject) -> Iterator[FieldError]:
    for key in annotations:
        yield from _invalid("metadata.annotations", key, label_key_problems(key.lower()))
    size = sum(len(f"{key}{value}".encode()) for key, value in annotations.items())
    if size > MAX_ANNOTATION_BYTES:
        yield fields.too_long("metadata.annotations", MAX_ANNOTATION_BYTES)


def _owner_errors(references: Sequence[JsonValue]) -> Iterator[FieldError]:
    path = "metadata.ownerReferences"
    owners = [each for each in references if isinstance(each, dict)]
    for owner in owners:
        group_version = text_at(owner, "apiVersion")
        group, version = _parsed(group_version)
        if not version:
            yield fields.invalid(f"{path}.apiVersion", group_version, "version must not be empty")
        for member in ("kind", "name", "uid"):
            if not text_at(owner, member):
                yield fields.invalid(f"{path}.{member}", "", "must not be empty")
        if (group, version, owner.get("kind")) == ("", "v1", "Event"):
            why = "/v1, Kind=Event is disallowed from being an owner"
            yield fields.invalid(path, owner, why)
    controllers = [
        f"{text_at(each, 'kind')}/{text_at(each, 'name')}"
        for each in owners
        if each.get("controller") is True
    ]
    for other in controllers[1:]:
        why = (
            'Only one reference can have Controller set to true. Found "true" in references for '
            f"{controllers[0]} and {other}"
        )
        yield fields.invalid(path, list(references), why)


def _parsed(group_version: str) -> tuple[str, str]:
    """Return group and version of an `apiVersion`, both empty where it is none."""
    group, slash, version = group_version.rpartition("/")
    return ("", "") if "/" in group or (slash and not (group or version)) else (group, version)


def _finalizer_errors(finalizers: list[str]) -> Iterator[FieldError]:
    path = "metadata.finalizers"
    for each in finalizers:
        yield from _invalid(path, each, label_key_problems(each))
    if {ORPHAN, FOREGROUND} <= set(finalizers):
        why = f"finalizer {ORPHAN} and {FOREGROUND} cannot be both set"
        yield fields.invalid(path, [*finalizers], why)


def _invalid(path: str, value: JsonValue, problems: Sequence[str]) -> Iterator[FieldError]:
    return (fields.invalid(path, value, each) for each in problems)


def _finalizers(metadata: JsonObject) -> list[str]:
    return [each for each in array_at(metadata, "finalizers") if isinstance(each, str)]


def _added_finalizers(metadata: JsonObject, old: JsonObject) -> list[str]:
    """Return the finalizers that are new, each once, sorted."""
    before = set(_finalizers(old))
    return sorted({each for each in _finalizers(metadata) if each not in before})
