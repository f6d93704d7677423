"""Text to tokens. The rules, and the order in which they are tried, are calico-semantics 2.2.

There are no reserved words: an operator's name is an operator only right after a label. All of the
text is cut into tokens before any of it is parsed, so a bad character at the end is reported before
a missing operand at the start, as Calico does.

Between tokens only space and tab are blank. Inside `has( a )` and `not in` Calico's releases differ:
those up to 2024 also take a line break, as we do, because they have stored such selectors.
"""

import re
from dataclasses import dataclass
from enum import Enum

from apiserver.resource.selector.nodes import SelectorError

# Calico's own limit for a label's name in a selector; Kubernetes' limits are lower.
MAX_LABEL_LENGTH = 512


class Kind(Enum):
    """What a token is; its value is how messages name it."""

    LABEL = "label"
    STRING = "string"
    OPEN_GROUP = "("
    CLOSE_GROUP = ")"
    OPEN_SET = "{"
    CLOSE_SET = "}"
    COMMA = ","
    NOT = "!"
    AND = "&&"
    OR = "||"
    EQUAL = "=="
    NOT_EQUAL = "!="
    CONTAINS = "contains"
    STARTS_WITH = "starts with"
    ENDS_WITH = "ends with"
    IN = "in"
    NOT_IN = "not in"
    HAS = "has()"
    ALL = "all()"
    GLOBAL = "global()"
    END = "end of selector"


@dataclass(frozen=True, slots=True)
class Token:
    """One token: `text` is the name of a label (also of `has`), or what a string holds."""

    kind: Kind
    position: int
    text: str = ""

    def __str__(self) -> str:
        """Return how a message names this token."""
        match self.kind:
            case Kind.LABEL | Kind.STRING:
                return f"{self.kind.value} {self.text!r}"
            case Kind.END:
                return "end of selector"
            case _:
                return f"'{self.kind.value}'"


# Every repetition is possessive: nothing is ever read twice, whatever the text.
_BLANKS = re.compile(r"[ \t]*+")
_IDENTIFIER = rf"[A-Za-z0-9_./-]{{1,{MAX_LABEL_LENGTH}}}+"
_LABEL = re.compile(_IDENTIFIER)
_SYMBOL = re.compile(r"==|!=|&&|\|\||[(){},!]")
_FUNCTION = re.compile(
    rf"has\([ \t\n\f\r]*+(?P<label>{_IDENTIFIER})[ \t\n\f\r]*+\)"
    r"|(?P<everything>all|global)\([ \t\n\f\r]*+\)"
)
_OPERATOR = re.compile(
    r"(?:contains|(?P<end>starts|ends)[ \t\n\f\r]*+with|(?P<not>not)[ \t\n\f\r]*+in|in)\b",
    re.ASCII,
)


def tokenize(text: str) -> list[Token]:
    """Cut `text` into tokens, the last of which is `Kind.END`; raise SelectorError."""
    tokens: list[Token] = []
    position = _after_blanks(text, 0)
    while position < len(text):
        label = tokens[-1] if tokens and tokens[-1].kind is Kind.LABEL else None
        token, end = _token_at(text, position, label)
        tokens.append(token)
        position = _after_blanks(text, end)
    tokens.append(Token(Kind.END, len(text)))
    return tokens


def _after_blanks(text: str, position: int) -> int:
    blanks = _BLANKS.match(text, position)
    assert blanks is not None
    return blanks.end()


def _token_at(text: str, position: int, label: Token | None) -> tuple[Token, int]:
    """Return the token that starts at `position` and where it ends; `label` is the one before."""
    character = text[position]
    if character in "\"'":
        return _string_at(text, position)
    if symbol := _SYMBOL.match(text, position):
        return Token(Kind(symbol[0]), position), symbol.end()
    if character in "=&|":
        raise SelectorError(f"expected {character * 2}", position)
    if label is not None:
        return _operator_at(text, position, label)
    return _operand_at(text, position)


def _string_at(text: str, position: int) -> tuple[Token, int]:
    end = text.find(text[position], position + 1)
    if end < 0:
        raise SelectorError("unterminated string", position)
    return Token(Kind.STRING, position, text[position + 1 : end]), end + 1


def _operator_at(text: str, position: int, label: Token) -> tuple[Token, int]:
    found = _OPERATOR.match(text, position)
    if found is None:
        if label.position + MAX_LABEL_LENGTH == position and _LABEL.match(text, position):
            message = f"a label has at most {MAX_LABEL_LENGTH} characters"
            raise SelectorError(message, label.position)
        raise SelectorError(f"expected an operator after {label}", position)
    if found["end"]:
        return Token(Kind(f"{found['end']} with"), position), found.end()
    kind = Kind.NOT_IN if found["not"] else Kind(found[0])
    return Token(kind, position), found.end()


def _operand_at(text: str, position: int) -> tuple[Token, int]:
    if function := _FUNCTION.match(text, position):
        if function["everything"]:
            return Token(Kind(f"{function['everything']}()"), position), function.end()
        return Token(Kind.HAS, position, function["label"]), function.end()
    if label := _LABEL.match(text, position):
        return Token(Kind.LABEL, position, label[0]), label.end()
    raise SelectorError(f"unexpected character {text[position]!r}", position)
