"""The entries of `metadata.managedFields`: who set what, when (apiserver-protocol 7.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, TypeAlias

import orjson

from apiserver.jsontypes import JsonArray, JsonObject, JsonValue, text_at
from apiserver.managedfields.errors import UntrackableError
from apiserver.managedfields.fieldset import FieldSet, union_of_all
from apiserver.managedfields.fieldsv1 import parse_fields, render_fields

APPLY = "Apply"
UPDATE = "Update"

# How many entries of updates an object has at most, and who gets the oldest where there are more.
MAX_UPDATES = 10
_ANCIENT = "ancient-changes"

_MEMBERS = (
    "manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1", "subresource",
)  # fmt: skip


class Manager(NamedTuple):
    """Whose an entry is; `version` is empty for an apply, which a manager has one of."""

    name: str
    operation: str
    version: str
    subresource: str

    def __str__(self) -> str:
        quoted = orjson.dumps(self.name).decode()
        through = f' with subresource "{self.subresource}"' if self.subresource else ""
        return f"{quoted}{through}{f' using {self.version}' if self.version else ''}"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a manager owns. `document` is the entry as it was read, for as long as it is true."""

    fields: FieldSet
    version: str
    time: str
    document: JsonObject | None = None

    def with_fields(self, fields: FieldSet) -> "Entry":
        """Return the entry of a manager that now owns other fields."""
        return self if fields == self.fields else Entry(fields, self.version, self.time)


Entries: TypeAlias = Mapping[Manager, Entry]


def applier(name: str, subresource: str) -> Manager:
    """Return the identity of a manager's applies."""
    return Manager(name or "unknown", APPLY, "", subresource)


def updater(name: str, version: str, subresource: str) -> Manager:
    """Return the identity of a manager's other writes."""
    return Manager(name or "unknown", UPDATE, version, subresource)


def parse_entries(value: JsonValue) -> Entries:
    """Return the entries of managedFields, absent ones being none. Raises UntrackableError."""
    if value is None:
        return {}
    if not isinstance(value, list):
        raise UntrackableError("managedFields must be a list")
    return dict(map(_parse_entry, value))


def render_entries(entries: Entries) -> JsonArray:
    """Return managedFields, in order: applies first, then by time, name, version, subresource."""

    def order(manager: Manager) -> tuple[str, ...]:
        entry = entries[manager]
        return (
            manager.operation, entry.time, manager.name, entry.version, manager.subresource,
        )  # fmt: skip

    return [_render_entry(manager, entries[manager]) for manager in sorted(entries, key=order)]


def is_reset(value: JsonValue) -> bool:
    """Say whether managedFields of a request ask to forget everything: `[]` or `[{}]`."""
    match value:
        case []:
            return True
        case [{**members}]:
            return all(members.get(each) in (None, "") for each in _MEMBERS)
        case _:
            return False


def capped(entries: Entries) -> Entries:
    """Return the entries with no more than ten of updates: the oldest become one.

    Its time is that of the youngest in it. Through which subresource they wrote is forgotten.
    """
    updates = [manager for manager in entries if manager.operation == UPDATE]
    if len(updates) <= MAX_UPDATES:
        return entries
    ancient = updater(_ANCIENT, updates[0].version, "")
    updates.sort(key=lambda manager: (manager != ancient, entries[manager].time, manager))
    oldest = {manager: entries[manager] for manager in updates[: len(updates) - MAX_UPDATES + 1]}
    kept = {manager: entry for manager, entry in entries.items() if manager not in oldest}
    fields = union_of_all(entry.fields for entry in oldest.values())
    time = max(entry.time for entry in oldest.values())
    return kept | {ancient: Entry(fields, ancient.version, time)}


def render_time(instant: datetime) -> str:
    """Return an aware time as Kubernetes shows it: `2026-01-02T15:04:05Z`."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _parse_entry(value: JsonValue) -> tuple[Manager, Entry]:
    if not isinstance(value, dict):
        raise UntrackableError("an entry must be an object")
    operation, version = text_at(value, "operation"), text_at(value, "apiVersion")
    if operation not in {APPLY, UPDATE}:
        raise UntrackableError("operation must be `Apply` or `Update`")
    if not version:
        raise UntrackableError("apiVersion must not be empty")
    if value.get("fieldsType") != "FieldsV1":
        raise UntrackableError("fieldsType must be FieldsV1")
    manager = Manager(
        text_at(value, "manager"),
        operation,
        "" if operation == APPLY else version,
        text_at(value, "subresource"),
    )
    text = text_at(value, "time")
    fields, time = parse_fields(value.get("fieldsV1")), _canonical_time(text)
    return manager, Entry(fields, version, time, document=value if time == text else None)


def _render_entry(manager: Manager, entry: Entry) -> JsonObject:
    if entry.document is not None:
        return entry.document
    values: dict[str, JsonValue] = {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": entry.version,
        "time": entry.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": render_fields(entry.fields),
        "subresource": manager.subresource,
    }
    return {name: value for name, value in values.items() if value != ""}


def _canonical_time(text: str) -> str:
    """Return a time in the one spelling in which times sort as texts; the empty text is none."""
    if not text:
        return ""
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            raise UntrackableError(f"not an instant: {text}")
        return render_time(instant)
    except (ValueError, OverflowError) as error:
        raise UntrackableError(f"not a time: {text}") from error
