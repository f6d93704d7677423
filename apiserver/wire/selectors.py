"""The `labelSelector` language (apimachinery, labels/selector.go): text, requirements, matching.

    requirement  = key | "!" key | key operator value | key ("in" | "notin") "(" values ")"
    operator     = "=" | "==" | "!=" | ">" | "<"

Commas join requirements, all of which must be met. `in` and `notin` are words only where an operator
stands; a value may be empty. `!=` and `notin` also match objects that lack the key.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from apiserver.fields import quoted
from apiserver.jsontypes import JsonValue
from apiserver.wire.fieldselectors import SelectorError
from apiserver.wire.names import label_key_problems, label_value_problems

_TOKEN = re.compile(r"==|!=|[=!(),<>]|[^\s=!(),<>]+")
_SYMBOLS = frozenset({"==", "!=", "=", "!", "(", ")", ",", "<", ">"})
_END = ""


class Operator(StrEnum):
    """How a requirement compares; `=` and `==` mean the same, and are both `EQUALS`."""

    EXISTS = "exists"
    DOES_NOT_EXIST = "!"
    EQUALS = "="
    NOT_EQUALS = "!="
    IN = "in"
    NOT_IN = "notin"
    GREATER_THAN = ">"
    LESS_THAN = "<"


_OPERATORS = {each.value: each for each in Operator if each.value not in {"exists", "!"}}
_OPERATORS["=="] = Operator.EQUALS


@dataclass(frozen=True, slots=True)
class Requirement:
    """What one label must be. `values` is sorted and without repetitions."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, JsonValue]) -> bool:
        """Say whether the labels meet the requirement."""
        present, value = self.key in labels, labels.get(self.key)
        match self.operator:
            case Operator.EXISTS:
                return present
            case Operator.DOES_NOT_EXIST:
                return not present
            case Operator.EQUALS | Operator.IN:
                return present and value in self.values
            case Operator.NOT_EQUALS | Operator.NOT_IN:
                return not present or value not in self.values
            case Operator.GREATER_THAN | Operator.LESS_THAN:
                return self._compares(value)
            case _:
                assert_never(self.operator)

    def _compares(self, value: JsonValue) -> bool:
        number, bound = _int64(value), int(self.values[0])
        if number is None:
            return False
        return number > bound if self.operator is Operator.GREATER_THAN else number < bound

    def render(self) -> str:
        """Return the text that reads back as this requirement."""
        match self.operator:
            case Operator.EXISTS:
                return self.key
            case Operator.DOES_NOT_EXIST:
                return f"!{self.key}"
            case Operator.IN | Operator.NOT_IN:
                return f"{self.key} {self.operator.value} ({','.join(self.values)})"
            case _:
                return f"{self.key}{self.operator.value}{self.values[0]}"


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All requirements must be met; none at all select everything."""

    requirements: tuple[Requirement, ...] = ()

    @property
    def is_everything(self) -> bool:
        """Say whether no object is left out."""
        return not self.requirements

    def matches(self, labels: Mapping[str, JsonValue]) -> bool:
        """Say whether an object with these labels is selected."""
        return all(each.matches(labels) for each in self.requirements)

    def render(self) -> str:
        """Return the text that reads back as this selector."""
        return ",".join(each.render() for each in self.requirements)


def parse_label_selector(text: str) -> LabelSelector:
    """Return the selector that `text` says. Raises `SelectorError`."""
    return _Parser(text).selector()


def _int64(value: JsonValue) -> int | None:
    """Return a label's value as a number, or None where it is not one of 64 bits."""
    if not isinstance(value, str) or not re.fullmatch(r"[+-]?[0-9]{1,40}", value, re.ASCII):
        return None
    number = int(value)
    return number if -(1 << 63) <= number < 1 << 63 else None


class _Parser:
    """A cursor over the tokens; every method stands on the token that it begins with."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = _TOKEN.findall(text)
        self._position = 0

    def selector(self) -> LabelSelector:
        if self._ahead == _END:
            return LabelSelector()
        if self._ahead != "!" and not self._at_word():
            raise SelectorError(
                f"found '{self._ahead}', expected: !, identifier, or 'end of string'"
            )
        requirements = [self._requirement()]
        while self._ahead != _END:
            if self._ahead != ",":
                raise SelectorError(f"found '{self._ahead}', expected: ',' or 'end of string'")
            self._take()
            if self._ahead != "!" and not self._at_word():
                raise SelectorError(f"found '{self._ahead}', expected: identifier after ','")
            requirements.append(self._requirement())
        return LabelSelector(tuple(requirements))

    @property
    def _ahead(self) -> str:
        at_end = self._position >= len(self._tokens)
        return _END if at_end else self._tokens[self._position]

    def _at_word(self) -> bool:
        return self._ahead != _END and self._ahead not in _SYMBOLS

    def _take(self) -> str:
        token = self._ahead
        self._position += 1
        return token

    def _requirement(self) -> Requirement:
        negated = self._ahead == "!"
        if negated:
            self._take()
        key = self._word("identifier")
        problems = label_key_problems(key)
        if problems:
            raise _unreadable(f"<nil>: Invalid value: {quoted(key)}: {'; '.join(problems)}")
        if negated:
            return Requirement(key, Operator.DOES_NOT_EXIST)
        if self._ahead in {_END, ","}:
            return Requirement(key, Operator.EXISTS)
        operator = self._operator()
        several = operator in {Operator.IN, Operator.NOT_IN}
        values = self._values() if several else {self._value()}
        requirement = Requirement(key, operator, tuple(sorted(values)))
        _require_valid_values(requirement)
        return requirement

    def _operator(self) -> Operator:
        token = self._take()
        if token not in _OPERATORS:
            raise _unreadable(f"found '{token}', expected: in, notin, =, ==, !=, gt, lt")
        return _OPERATORS[token]

    def _value(self) -> str:
        return "" if self._ahead in {_END, ","} else self._word("identifier")

    def _values(self) -> set[str]:
        opening = self._take()
        if opening != "(":
            raise _unreadable(f"found '{opening}' expected: '('")
        values = {self._listed_value()}
        while self._ahead == ",":
            self._take()
            values.add(self._listed_value())
        if self._ahead != ")":
            raise _unreadable(f"found '{self._ahead}', expected: ',' or ')'")
        self._take()
        return values

    def _listed_value(self) -> str:
        return "" if self._ahead in {",", ")"} else self._word("',', ')' or identifier")

    def _word(self, expected: str) -> str:
        if not self._at_word():
            raise _unreadable(f"found '{self._ahead}', expected: {expected}")
        return self._take()


def _unreadable(why: str) -> SelectorError:
    return SelectorError(f"unable to parse requirement: {why}")


def _require_valid_values(requirement: Requirement) -> None:
    compared = requirement.operator in {Operator.GREATER_THAN, Operator.LESS_THAN}
    errors = [
        f"values[{index}]: Invalid value: {quoted(value)}: for 'Gt', 'Lt' operators, the value must "
        "be an integer"
        for index, value in enumerate(requirement.values)
        if compared and _int64(value) is None
    ]
    for index, value in enumerate(requirement.values):
        problems = label_value_problems(value)
        if problems:
            where = f"values[{index}][{requirement.key}]"
            errors.append(f"{where}: Invalid value: {quoted(value)}: {'; '.join(problems)}")
    if errors:
        raise _unreadable(errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]")
