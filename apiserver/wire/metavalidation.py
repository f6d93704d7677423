"""Rules for `metadata` (apimachinery, api/validation/objectmeta.go), all errors at once.

What a name may be differs between resources, so that rule is an argument.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import orjson

from apiserver import fields
from apiserver.fields import FieldError
from apiserver.jsontypes import JsonObject, JsonValue, array_at, object_at, text_at
from apiserver.wire.names import dns_label_problems, label_key_problems, label_value_problems

NameProblems: TypeAlias = Callable[[str], Sequence[str]]

MAX_ANNOTATION_BYTES = 256 * 1024
ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"

_DUPLICATE_OWNERS = (
    ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in "
    "1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) "
    "observed: {}"
)
_IMMUTABLE = ("name", "namespace", "uid", "deletionTimestamp", "deletionGracePeriodSeconds")


def validate_metadata(metadata: JsonObject, name_problems: NameProblems) -> list[FieldError]:
    """Return all that is wrong with the metadata of a new object, once it is prepared."""
    return [*_name_errors(metadata, name_problems), *_content_errors(metadata)]


def validate_metadata_update(
    metadata: JsonObject, old: JsonObject, name_problems: NameProblems
) -> list[FieldError]:
    """Return all that is wrong with the metadata of an update, once it is prepared."""
    errors = validate_metadata(metadata, name_problems)
    for key in _IMMUTABLE:
        if metadata.get(key) != old.get(key):
            field = f"metadata.{key}"
            errors.append(fields.invalid(field, metadata.get(key), "field is immutable"))
    added = _added_finalizers(metadata, old)
    if "deletionTimestamp" in old and added:
        names = ", ".join(f'"{each}"' for each in added)
        why = (
            "no new finalizers can be added if the object is being deleted, found new finalizers "
            f"[]string{{{names}}}"
        )
        errors.append(fields.forbidden("metadata.finalizers", why))
    return errors


def metadata_warnings(metadata: JsonObject, old: JsonObject | None = None) -> tuple[str, ...]:
    """Return what to warn of: finalizers that are new and have no domain in their name."""
    return tuple(
        f'metadata.finalizers: "{each}": prefer a domain-qualified finalizer name to avoid '
        "accidental conflicts with other finalizer writers"
        for each in _added_finalizers(metadata, old or {})
        if "/" not in each and each not in {ORPHAN, FOREGROUND}
    )


def owner_warnings(metadata: JsonObject) -> tuple[str, ...]:
    """Return what to warn of in a request's owner references, before duplicates are dropped."""
    owners = [each for each in array_at(metadata, "ownerReferences") if isinstance(each, dict)]
    texts = [orjson.dumps(each, option=orjson.OPT_SORT_KEYS) for each in owners]
    times = Counter(texts)
    repeated = dict.fromkeys(
        text_at(each, "uid") for each, text in zip(owners, texts, strict=True) if times[text] > 1
    )
    if not repeated:
        return ()
    return (_DUPLICATE_OWNERS.format(", ".join(repeated)),)


def _name_errors(metadata: JsonObject, name_problems: NameProblems) -> Iterator[FieldError]:
    name, base = text_at(metadata, "name"), text_at(metadata, "generateName")
    if base:
        # What is generated goes on after a trailing dash, so the dash itself is no fault.
        shown_as = f"{base[:-1]}a" if base.endswith("-") else base
        yield from _invalid("metadata.generateName", base, name_problems(shown_as))
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
        if not text_at(owner, "apiVersion"):
            yield fields.invalid(f"{path}.apiVersion", "", "version must not be empty")
        for member in ("kind", "name", "uid"):
            if not text_at(owner, member):
                yield fields.invalid(f"{path}.{member}", "", "must not be empty")
        if (owner.get("apiVersion"), owner.get("kind")) == ("v1", "Event"):
            why = "/v1, Kind=Event is disallowed from being an owner"
            yield fields.invalid(path, owner, why)
    controllers = [text_at(each, "name") for each in owners if each.get("controller") is True]
    if len(controllers) > 1:
        why = (
            'Only one reference can have Controller set to true. Found "true" in references for '
            f"{' and '.join(controllers)}"
        )
        yield fields.invalid(path, list(references), why)


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
    before = set(_finalizers(old))
    return [each for each in _finalizers(metadata) if each not in before]
