"""What can be wrong with an apply; each kind is one answer to the client.

The texts are those of kube-apiserver (apiserver-protocol 7.5, 13.5): clients show them as they are.
"""

from dataclasses import dataclass


class ManagedFieldsError(ValueError):
    """The root of what this package raises."""


class UntrackableError(ManagedFieldsError):
    """A value or a set of fields of which nobody can say what is owned; the text says why."""


class ManagedFieldsGivenError(ManagedFieldsError):
    """An applied object that brings its own managedFields."""

    def __init__(self) -> None:
        super().__init__("metadata.managedFields must be nil")


@dataclass(frozen=True, slots=True)
class TypeProblem:
    """One value of an applied object that its schema does not allow; `path` is as in `.spec.x`."""

    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}" if self.path else self.text


class TypedError(ManagedFieldsError):
    """An applied object with fields that are unknown, mistyped, or said twice."""

    def __init__(self, subject: str, problems: tuple[TypeProblem, ...]) -> None:
        lines = "\n  ".join(map(str, problems))
        what = lines if len(problems) == 1 else f"errors:\n  {lines}"
        super().__init__(f"failed to create typed patch object ({subject}): {what}")
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Conflict:
    """One field that an apply would change and that `manager`, named in words, has set."""

    manager: str
    field: str

    @property
    def message(self) -> str:
        """The message of the cause."""
        return f"conflict with {self.manager}"


class ConflictError(ManagedFieldsError):
    """An apply that would change what others have set; `conflicts` are sorted by manager."""

    def __init__(self, conflicts: tuple[Conflict, ...]) -> None:
        super().__init__(_conflict_text(conflicts))
        self.conflicts = conflicts


def _conflict_text(conflicts: tuple[Conflict, ...]) -> str:
    if len(conflicts) == 1:
        return f"Apply failed with 1 conflict: {conflicts[0].message}: {conflicts[0].field}"
    by_manager: dict[str, list[str]] = {}
    for each in conflicts:
        by_manager.setdefault(each.manager, []).append(f"- {each.field}")
    parts = (
        "\n".join((f"conflicts with {manager}:", *fields))
        for manager, fields in by_manager.items()
    )
    return f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(parts)
