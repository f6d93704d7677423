"""The tree of a selector: what it matches (calico-semantics 2.4) and its canonical text (2.5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Labels: TypeAlias = Mapping[str, str]


class SelectorError(Exception):
    """A text that is no selector: `message` says why, `position` where (characters from 0)."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message, position)
        self.message = message
        self.position = position

    def __str__(self) -> str:
        return f"{self.message} (at character {self.position + 1})"


@dataclass(frozen=True, slots=True)
class Everything:
    """`all()` or `global()`: true of all labels; only the text differs."""

    text: Literal["all()", "global()"]

    def matches(self, labels: Labels) -> bool:  # noqa: ARG002 - every node is asked the same
        return True

    def parts(self) -> Sequence["Node | str"]:
        return (self.text,)


@dataclass(frozen=True, slots=True)
class Has:
    """`has(label)`: true if the label is there, even with an empty value."""

    label: str

    def matches(self, labels: Labels) -> bool:
        return self.label in labels

    def parts(self) -> Sequence["Node | str"]:
        return (f"has({self.label})",)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`label operator "value"`: of a label that is missing, only `!=` is true."""

    label: str
    operator: Literal["==", "!=", "contains", "starts with", "ends with"]
    value: str

    def matches(self, labels: Labels) -> bool:
        actual = labels.get(self.label)
        if actual is None:
            return self.operator == "!="
        match self.operator:
            case "==":
                return actual == self.value
            case "!=":
                return actual != self.value
            case "contains":
                return self.value in actual
            case "starts with":
                return actual.startswith(self.value)
            case "ends with":
                return actual.endswith(self.value)

    def parts(self) -> Sequence["Node | str"]:
        return (f"{self.label} {self.operator} {_quoted(self.value)}",)


@dataclass(frozen=True, slots=True)
class Membership:
    """`label in {...}` or `label not in {...}`; a label that is missing is in no set."""

    label: str
    operator: Literal["in", "not in"]
    values: frozenset[str]

    def matches(self, labels: Labels) -> bool:
        return (labels.get(self.label) in self.values) is (self.operator == "in")

    def parts(self) -> Sequence["Node | str"]:
        values = ", ".join(_quoted(value) for value in sorted(self.values))
        return (f"{self.label} {self.operator} {{{values}}}",)


@dataclass(frozen=True, slots=True)
class Not:
    """`!operand`."""

    operand: "Node"

    def matches(self, labels: Labels) -> bool:
        return not self.operand.matches(labels)

    def parts(self) -> Sequence["Node | str"]:
        return ("!", self.operand)


@dataclass(frozen=True, slots=True)
class Junction:
    """A run of operands joined by one operator, always printed in parentheses."""

    operator: Literal["&&", "||"]
    operands: tuple["Node", ...]

    def matches(self, labels: Labels) -> bool:
        """Ask the operands from left to right until one decides: a false `&&`, a true `||`."""
        deciding = self.operator == "||"
        for operand in self.operands:
            if operand.matches(labels) is deciding:
                return deciding
        return not deciding

    def parts(self) -> Sequence["Node | str"]:
        parts: list[Node | str] = ["("]
        for operand in self.operands:
            parts += (operand, f" {self.operator} ")
        parts[-1] = ")"
        return parts


Node: TypeAlias = Everything | Has | Comparison | Membership | Not | Junction


@dataclass(frozen=True, slots=True)
class Selector:
    """A selector that was parsed; two are equal if their canonical texts are."""

    canonical: str = field(init=False)
    root: Node = field(compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "canonical", _render(self.root))

    def matches(self, labels: Labels) -> bool:
        """Say whether an endpoint with these labels is selected."""
        return self.root.matches(labels)

    def __str__(self) -> str:
        return self.canonical


def _render(root: Node) -> str:
    """Join the parts of a tree with a stack of our own, whatever its depth, in linear time."""
    texts: list[str] = []
    pending: list[Node | str] = [root]
    while pending:
        part = pending.pop()
        if isinstance(part, str):
            texts.append(part)
        else:
            pending.extend(reversed(part.parts()))
    return "".join(texts)


def _quoted(value: str) -> str:
    """Quote a string as it must have been written: no string holds both kinds of quotes."""
    return f"'{value}'" if '"' in value else f'"{value}"'
