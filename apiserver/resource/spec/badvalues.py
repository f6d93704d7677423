"""How reading one value of a spec fails: in two ways, because a Kubernetes server answers them differently.

Both hold what would be right, for people, without the value itself.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from apiserver.fields import FieldError, invalid
from apiserver.jsontypes import JsonValue

# What a field of the format int64 holds; readers of JSON take no more.
MAX_INT64: Final = (1 << 63) - 1

_Value = TypeVar("_Value")


class MalformedError(ValueError):
    """A value that cannot be decoded as what its field holds (400); `detail` says what can."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class InvalidError(ValueError):
    """A value that can be decoded but means nothing (422); `detail` says what would."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def read(
    value: JsonValue, path: str, reader: Callable[[JsonValue], _Value], errors: list[FieldError]
) -> _Value | None:
    """Return what `reader` makes of a value; None where it fails, with the reason in `errors`."""
    try:
        return reader(value)
    except (MalformedError, InvalidError) as error:
        errors.append(invalid(path, value, error.detail))
        return None


def note_malformed(
    value: JsonValue, path: str, reader: Callable[[JsonValue], object], errors: list[FieldError]
) -> None:
    """Put into `errors` why a value cannot be decoded; what it means is not looked at."""
    try:
        reader(value)
    except MalformedError as error:
        errors.append(invalid(path, value, error.detail))
    except InvalidError:
        return


def whole_number(
    lowest: int, highest: int = MAX_INT64, *, meaning: str = ""
) -> Callable[[JsonValue], int]:
    """Return a reader of integers from `lowest` to `highest`; `meaning` is added to what it says."""
    allowed = f"at least {lowest}" if highest == MAX_INT64 else f"from {lowest} to {highest}"

    def reader(value: JsonValue) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise MalformedError("must be an integer")
        if not lowest <= value <= highest:
            raise InvalidError(f"must be {allowed}{meaning}")
        return value

    return reader
