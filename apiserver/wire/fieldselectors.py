r"""The `fieldSelector` language (apimachinery, fields/selector.go), for the two fields that there are.

Terms are joined by commas, a trailing or doubled one is harmless; `\` escapes `\`, `,` and `=`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from apiserver.fields import quoted

NAME = "metadata.name"
NAMESPACE = "metadata.namespace"

# A term is cut at its first operator that is not escaped; a lone `!` belongs to the text before it.
_TERM = re.compile(
    r"(?P<field>(?:\\.|[^\\=!]|!(?!=)|\\\Z)*)(?P<operator>!=|==|=)(?P<value>.*)", re.DOTALL
)
_PIECE = re.compile(r"(?:\\.|[^\\,]|\\\Z)+", re.DOTALL)
_CHARACTER = re.compile(r"\\(?P<escaped>.?)|(?P<bare>[,=])", re.DOTALL)
_ESCAPABLE = "\\,="


class SelectorError(ValueError):
    """A selector that cannot be read; the text is meant for the person who wrote it."""


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """One field that must, or (`negated`) must not, have a value."""

    field: str
    value: str
    negated: bool = False

    def matches(self, name: str, namespace: str) -> bool:
        """Say whether an object of that name and namespace meets the term."""
        actual = name if self.field == NAME else namespace
        return (actual == self.value) is not self.negated

    def render(self) -> str:
        """Return the text that reads back as this term."""
        value = re.sub(r"[\\,=]", r"\\\g<0>", self.value)
        return f"{self.field}{'!=' if self.negated else '='}{value}"


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """All terms must be met; none at all select everything."""

    terms: tuple[FieldTerm, ...] = ()

    @property
    def is_everything(self) -> bool:
        """Say whether no object is left out."""
        return not self.terms

    @property
    def exact_name(self) -> str | None:
        """Return the one name that can match, or None: authorization rules for names rely on it."""
        names = (each.value for each in self.terms if each.field == NAME and not each.negated)
        return next(names, None)

    def matches(self, name: str, namespace: str) -> bool:
        """Say whether an object of that name and namespace is selected."""
        return all(each.matches(name, namespace) for each in self.terms)

    def render(self) -> str:
        """Return the text that reads back as this selector."""
        return ",".join(each.render() for each in self.terms)


def parse_field_selector(text: str) -> FieldSelector:
    """Return the selector that `text` says. Raises `SelectorError`."""
    return FieldSelector(tuple(_terms(text)))


def _terms(text: str) -> Iterator[FieldTerm]:
    for piece in _PIECE.findall(text):
        term = _TERM.fullmatch(piece)
        if term is None:
            raise SelectorError(f"invalid selector: '{text}'; can't understand '{piece}'")
        field, value = term["field"], _unescaped(term["value"])
        if field not in {NAME, NAMESPACE}:
            raise SelectorError(
                f'{quoted(field)} is not a known field selector: only "{NAME}", "{NAMESPACE}"'
            )
        yield FieldTerm(field, value, negated=term["operator"] == "!=")


def _unescaped(value: str) -> str:
    def plain(found: re.Match[str]) -> str:
        escaped: str | None = found["escaped"]
        if escaped is None:
            # The number of the character, as in Kubernetes: its format string lacks a quote.
            number = ord(found["bare"])
            raise SelectorError(f"invalid field selector: unescaped character in value: {number}")
        if not escaped or escaped not in _ESCAPABLE:
            raise SelectorError(f"invalid field selector: invalid escape sequence: \\{escaped}")
        return escaped

    return _CHARACTER.sub(plain, value)
