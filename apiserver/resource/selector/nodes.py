"""A selector, and the tree that it is read as: the parts and their canonical text.

What each part means is calico-semantics 2.4, its text 2.5.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias

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

    def parts(self) -> Sequence["Node | str"]:
        return (self.text,)


@dataclass(frozen=True, slots=True)
class Has:
    """`has(label)`: true if the label is there, even with an empty value."""

    label: str

    def parts(self) -> Sequence["Node | str"]:
        return ("has(", self.label, ")")


@dataclass(frozen=True, slots=True)
class Comparison:
    """`label operator "value"`: of a label that is missing, only `!=` is true."""

    label: str
    operator: Literal["==", "!=", "contains", "starts with", "ends with"]
    value: str

    def parts(self) -> Sequence["Node | str"]:
        return (f"{self.label} {self.operator} {_quoted(self.value)}",)


@dataclass(frozen=True, slots=True)
class Membership:
    """`label in {...}` or `label not in {...}`; a label that is missing is in no set."""

    label: str
    operator: Literal["in", "not in"]
    values: frozenset[str]

    def parts(self) -> Sequence["Node | str"]:
        # Go sorts by bytes, Python by code points: of UTF-8 that is the same order.
        values = ", ".join(map(_quoted, sorted(self.values)))
        return (f"{self.label} {self.operator} {{{values}}}",)


@dataclass(frozen=True, slots=True)
class Not:
    """`!operand`."""

    operand: "Node"

    def parts(self) -> Sequence["Node | str"]:
        return ("!", self.operand)


@dataclass(frozen=True, slots=True)
class Junction:
    """A run of operands joined by one operator, always printed in parentheses."""

    operator: Literal["&&", "||"]
    operands: tuple["Node", ...]

    def parts(self) -> Sequence["Node | str"]:
        parts: list[Node | str] = ["("]
        for operand in self.operands:
            parts += (operand, f" {self.operator} ")
        parts[-1] = ")"
        return parts


Term: TypeAlias = Has | Comparison | Membership
Node: TypeAlias = Everything | Term | Not | Junction


def render(root: Node) -> str:
    """Return the canonical text of a tree, with a stack of our own: it may be of any depth."""
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


class Step(NamedTuple):
    """One question of a selector: does it accept the value of `label`, None if that is missing?

    Either answer leads to another step, by its number, or to the end: TRUE or FALSE.
    """

    label: str
    accepts: Callable[[str | None], bool]
    if_accepted: int
    if_refused: int


TRUE: Final = -1
FALSE: Final = -2


@dataclass(frozen=True, slots=True)
class Selector:
    """A selector that was parsed; two are equal if their canonical texts are."""

    canonical: str
    steps: tuple[Step, ...] = field(compare=False, repr=False)
    first: int = field(compare=False, repr=False)

    def matches(self, labels: Labels) -> bool:
        """Say whether an endpoint with these labels is selected."""
        value_of, steps, number = labels.get, self.steps, self.first
        while number >= 0:
            label, accepts, if_accepted, if_refused = steps[number]
            number = if_accepted if accepts(value_of(label)) else if_refused
        return number == TRUE

    @property
    def unique_id(self) -> str:
        """The name that Calico gives to a selector of this meaning (2.5)."""
        # A text from JSON has no lone surrogates; one from elsewhere still has an id.
        digest = hashlib.sha224(f"s:{self.canonical}".encode(errors="surrogatepass")).digest()
        return f"s:{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"

    def __str__(self) -> str:
        return self.canonical
