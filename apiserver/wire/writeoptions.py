"""Options of the writing verbs: create, update and patch (apimachinery, meta/v1/validation)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from apiserver import fields
from apiserver.fields import FieldError
from apiserver.jsontypes import JsonObject
from apiserver.wire.negotiation import META_GROUP, PatchType
from apiserver.wire.query import Query, first, flag
from apiserver.wire.status import invalid

MAX_FIELD_MANAGER_BYTES = 128
DRY_RUN_ALL = "All"


class FieldValidation(StrEnum):
    """What is done about unknown and duplicate fields."""

    IGNORE = "Ignore"
    STRICT = "Strict"
    WARN = "Warn"


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """Options of create, update and patch; `force` is only of apply patches.

    `asked` are those that the client has set itself.
    """

    dry_run: bool
    field_manager: str
    field_validation: FieldValidation
    force: bool | None = None
    asked: JsonObject = field(default_factory=dict)

    def to_json(self, kind: str) -> JsonObject:
        """Return the options as an object of that kind, as admission is shown them: as they came."""
        return {"kind": kind, "apiVersion": f"{META_GROUP}/v1", **self.asked}


def parse_create_options(query: Query, user_agent: str) -> WriteOptions:
    """Return the options of a create. Raises a 422 `ApiError`."""
    return _write_options("CreateOptions", query, user_agent, [])


def parse_update_options(query: Query, user_agent: str) -> WriteOptions:
    """Return the options of an update. Raises a 422 `ApiError`."""
    return _write_options("UpdateOptions", query, user_agent, [])


def parse_patch_options(query: Query, user_agent: str, patch: PatchType) -> WriteOptions:
    """Return the options of a patch. Raises a 422 `ApiError`."""
    errors = []
    if patch is PatchType.APPLY and not first(query, "fieldManager"):
        errors.append(fields.required("fieldManager", "is required for apply patch"))
    if patch is not PatchType.APPLY and flag(query, "force") is not None:
        errors.append(fields.forbidden("force", "may not be specified for non-apply patch"))
    return _write_options("PatchOptions", query, user_agent, errors)


def default_field_manager(user_agent: str) -> str:
    """Return the name of a client that did not give one: its program, printable, at most 128 bytes."""
    program = "".join(each for each in user_agent.partition("/")[0] if each.isprintable())
    return program.encode()[:MAX_FIELD_MANAGER_BYTES].decode(errors="ignore") or "unknown"


def dry_run_errors(values: Sequence[str]) -> list[FieldError]:
    """Say what is wrong with the values of `dryRun`; the only one that there is may be repeated."""
    if all(each == DRY_RUN_ALL for each in values):
        return []
    return [fields.not_supported("dryRun", list(values), (DRY_RUN_ALL,))]


def _write_options(
    kind: str, query: Query, user_agent: str, errors: list[FieldError]
) -> WriteOptions:
    manager = first(query, "fieldManager") or ""
    dry_run = list(query.get("dryRun", ()))
    validation = first(query, "fieldValidation") or ""
    errors = [
        *errors,
        *_field_manager_errors(manager),
        *dry_run_errors(dry_run),
        *_field_validation_errors(validation),
    ]
    if errors:
        raise invalid(kind, META_GROUP, "", errors)
    force = flag(query, "force")
    asked: JsonObject = {
        "dryRun": [*dry_run],
        "force": force,
        "fieldManager": manager,
        "fieldValidation": validation,
    }
    return WriteOptions(
        dry_run=bool(dry_run),
        field_manager=manager or default_field_manager(user_agent),
        field_validation=FieldValidation(validation or FieldValidation.WARN),
        force=force,
        asked={key: value for key, value in asked.items() if value not in ([], "", None)},
    )


def _field_manager_errors(manager: str) -> list[FieldError]:
    errors = []
    if len(manager.encode(errors="replace")) > MAX_FIELD_MANAGER_BYTES:
        # Each of its characters could be one more fault, and each of these shows all of the name.
        return [fields.too_long("fieldManager", MAX_FIELD_MANAGER_BYTES)]
    position = 0
    for character in manager:
        if not character.isprintable():
            why = f"invalid character U+{ord(character):04X} (at position {position})"
            errors.append(fields.invalid("fieldManager", manager, why))
        position += len(character.encode(errors="replace"))
    return errors


def _field_validation_errors(value: str) -> list[FieldError]:
    if value in {"", *FieldValidation}:
        return []
    return [fields.not_supported("fieldValidation", value, ("", *FieldValidation))]
