"""Bodies of every kind that a method takes: objects in JSON and YAML, patches, options of a deletion."""

import random
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import yaml

from tests.bench.fuzz import values

JSON = "application/json"
YAML = "application/yaml"
APPLY = "application/apply-patch+yaml"
_PATCHES = (
    APPLY,
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)


class Body(NamedTuple):
    """Bytes, and what they are said to be."""

    text: bytes
    kind: str


Maker: TypeAlias = Callable[[random.Random, str], Body]

_POINTERS = (
    "/metadata/labels/a", "/metadata/labels", "/metadata/annotations/a~1b", "/metadata/finalizers/0",
    "/metadata/finalizers/-", "/metadata/finalizers", "/metadata/name", "/metadata", "/spec/selector", "/spec",
    "/spec/filters/0/ports/0", "/spec/filters/-", "/spec/filters/-1", "/spec/filters", "/status/pods", "", "/",
    "x", "/a/b/c", "/~2", "/metadata/managedFields", "/metadata/managedFields/0/time", "/metadata/uid",
    "/metadata/resourceVersion", "/kind", "/apiVersion", "/metadata/ownerReferences", "/spec/startTime",
)  # fmt: skip
_OPERATIONS = (
    "add",
    "add",
    "add",
    "remove",
    "replace",
    "replace",
    "move",
    "copy",
    "test",
    "x",
    "",
    None,
)
_DIRECTIVES: tuple[dict[str, Any], ...] = (
    {"$patch": "replace"},
    {"$patch": "delete"},
    {"$patch": 5},
    {"$retainKeys": ["name", "labels"]},
    {"$setElementOrder/finalizers": ["a.b/c", "x"]},
    {"$setElementOrder/ownerReferences": [{"uid": "a"}, {}]},
    {"$deleteFromPrimitiveList/finalizers": ["a.b/c"]},
    {"$deleteFromPrimitiveList/": [None]},
    {"ownerReferences": [{"uid": "a", "$patch": "delete"}, {"uid": "http"}]},
    {"finalizers": ["a.b/d", 5, None]},
)
# Each stands for itself, or behind a key.
_YAML = (
    "&a [*a]", "&a {k: *a}", "*b", "!!binary eA==", "!!set {a, b}", "!!int 'x'", "!x y", "{<<: {a: b}, c: d}",
    "{<<: [{a: b}, 5]}", "? a\n: b", "|\n a\n", ">+\n a\n\n", "0x1F", "0o17", "0777", "1_000", "1e3", ".inf",
    "-.INF", ".nan", "y", "no", "~", "1:30", "2026-01-01", "'", '"\\ud800"', '"\\U00110000"', "\"\\x41", "[a, b",
    "{a: b", "- a\n- b", "--- a\n--- b", "%YAML 1.1\n--- a", "%TAG ! x\n---", "\ta", "a: b: c", "@x", "`x`", "",
    "&a &b c", "{[a]: b}", "{1: a, 1.5: b, true: c, null: d}", "[[[[[[[[]]]]]]]]", "#", "\ufeffa: b", "\x85a",
    "&x " + "a" * 2_000, "9" * 400, "0x" + "f" * 400, "1e" + "9" * 40, "-" * 200,
)  # fmt: skip


def _object(chance: random.Random, name: str) -> Any:
    return values.mutated(chance, values.capture(chance, name))


def _json(chance: random.Random, name: str) -> Body:
    return Body(values.encoded(_object(chance, name)), JSON)


def _anything(chance: random.Random, _name: str) -> Body:
    return Body(values.encoded(values.value(chance)), chance.choice((JSON, YAML)))


def _any_patch(chance: random.Random, _name: str) -> Body:
    return Body(values.encoded(values.value(chance)), chance.choice(_PATCHES))


def _yaml(chance: random.Random, name: str) -> Body:
    document = _object(chance, name)
    kind = chance.random()
    if kind < 0.4:
        return Body(values.encoded(document), YAML)
    if kind < 0.6:
        text = yaml.dump(document, Dumper=yaml.CSafeDumper, allow_unicode=chance.random() < 0.5)
        return Body(text.encode(errors="replace"), YAML)
    lines = [f"metadata: {{name: {name}}}"]
    for _ in range(1 + int(chance.random() * 3)):
        key = chance.choice(
            ("spec", "status", "x", "metadata", "? x\n", "&k spec", "'spec'", "<<", "*a ")
        )
        lines.append(f"{key}: {chance.choice(_YAML)}")
    return Body("\n".join(lines).encode(errors="replace"), YAML)


def _json_patch(chance: random.Random, _name: str) -> Body:
    operations: list[Any] = []
    for _ in range(1 + int(chance.random() * 4)):
        operation = {"op": chance.choice(_OPERATIONS), "path": chance.choice(_POINTERS)}
        if chance.random() < 0.8:
            operation["value"] = values.value(chance, 2)
        if chance.random() < 0.4:
            operation["from"] = chance.choice(_POINTERS)
        operations.append(operation)
    if chance.random() < 0.1:
        operations = values.mutated(chance, operations)
    return Body(values.encoded(operations), "application/json-patch+json")


def _part(chance: random.Random, name: str) -> Any:
    """Return a part of an object, as patches hold it."""
    document = _object(chance, name)
    if isinstance(document, dict) and chance.random() < 0.7:
        for member in ("apiVersion", "kind", "metadata", "spec"):
            if chance.random() < 0.5:
                document.pop(member, None)
    return document


def _merge_patch(chance: random.Random, name: str) -> Body:
    return Body(values.encoded(_part(chance, name)), "application/merge-patch+json")


def _strategic_patch(chance: random.Random, name: str) -> Body:
    part = _part(chance, name)
    for _ in range(int(chance.random() * 3)):
        member = chance.choice(("metadata", "spec", ""))
        inner = part.setdefault(member, {}) if member else part
        if isinstance(inner, dict):
            inner.update(chance.choice(_DIRECTIVES))
    return Body(values.encoded(part), "application/strategic-merge-patch+json")


def _apply(chance: random.Random, name: str) -> Body:
    if chance.random() < 0.15:
        return Body(_yaml(chance, name).text, APPLY)
    document = values.capture(chance, name)
    metadata = document["metadata"]
    if chance.random() < 0.9:
        metadata.pop("managedFields", None)
    if chance.random() < 0.5:
        document = values.mutated(chance, document)
    return Body(values.encoded(document), APPLY)


def _delete_options(chance: random.Random, _name: str) -> Body:
    if chance.random() < 0.6:
        return Body(b"", "")
    options = {
        "kind": chance.choice(("DeleteOptions", "x")),
        "apiVersion": chance.choice(("v1", "meta.k8s.io/v1", "projectcalico.org/v3", "x")),
        chance.choice(values.FIELDS): values.value(chance, 2),
        chance.choice(("propagationPolicy", "dryRun", "preconditions")): values.value(chance, 2),
    }
    return Body(values.encoded(options), chance.choice((JSON, YAML)))


BODIES: dict[str, tuple[Maker, ...]] = {
    "POST": (*(_json,) * 6, _yaml, _yaml, _anything),
    "PUT": (*(_json,) * 6, _yaml, _yaml, _anything),
    "PATCH": (_json_patch, _merge_patch, _strategic_patch, _apply, _apply, _apply, _any_patch),
    "DELETE": (_delete_options,),
}
