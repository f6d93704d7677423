"""Text to tokens, by the rules of calico-semantics 2.2.

There are no reserved words: an operator's name is an operator only right after a label. Between
tokens only spaces and tabs are blank; within one (`has( a )`, `not in`) a line break is, too: Calico's
releases up to 2025 take it, those after do not, and what was stored then must mean the same.

All of the text is cut into tokens before any of it is parsed, so a bad character at the end is
reported before a missing operand at the start, as Calico does.
"""

import re
from enum import Enum
from typing import Final, NamedTuple, NoReturn

from apiserver.resource.selector.nodes import SelectorError

# Calico's own limit for a label's name in a selector; Kubernetes' limits are lower.
MAX_LABEL_LENGTH: Final = 512
# Ours: of a name or a string, a message shows no more characters.
MAX_SHOWN_LENGTH: Final = 40

OPERATORS: Final = "==, !=, in, not in, contains, starts with or ends with"
THE_END: Final = "the end of the selector"


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
    END = THE_END


class Token(NamedTuple):
    """One token: `text` is the name of a label (also of `has`), or a string with its quotes."""

    kind: Kind
    position: int
    text: str = ""

    def __str__(self) -> str:
        """Return how a message names this token."""
        match self.kind:
            case Kind.LABEL:
                return f"label {shown(self.text)}"
            case Kind.STRING:
                return f"string {shown(self.text[1:-1])}"
            case Kind.END:
                return THE_END
            case _:
                return f"'{self.kind.value}'"


def shown(text: str) -> str:
    """Quote what a person wrote, in bounded length and free of what cannot be seen."""
    rest = "..." if len(text) > MAX_SHOWN_LENGTH else ""
    return f"{text[:MAX_SHOWN_LENGTH]!r}{rest}"


# Within a token.
_GAP = r"[ \t\n\f\r]*+"

# Every repetition is possessive: nothing is ever read twice, whatever the text.
_CHARACTER = "[A-Za-z0-9_./-]"
_NO_MORE = rf"(?!{_CHARACTER})"
_NAME = rf"{_CHARACTER}{{1,{MAX_LABEL_LENGTH}}}+"

_ANYWHERE = {
    Kind.STRING: r""""[^"]*+"|'[^']*+'""",
    Kind.EQUAL: "==",
    Kind.AND: "&&",
    Kind.OR: r"\|\|",
    Kind.OPEN_GROUP: r"\(",
    Kind.CLOSE_GROUP: r"\)",
    Kind.OPEN_SET: r"\{",
    Kind.CLOSE_SET: r"\}",
    Kind.COMMA: ",",
    Kind.NOT_EQUAL: "!=",
    Kind.NOT: "!",
}
_AFTER_LABEL = {
    Kind.IN: f"in{_NO_MORE}",
    Kind.CONTAINS: f"contains{_NO_MORE}",
    # The blanks behind these come before the check, so `a not in b` has no operator: like Calico.
    Kind.NOT_IN: rf"not{_GAP}in[ \t]*+{_NO_MORE}",
    Kind.STARTS_WITH: rf"starts{_GAP}with[ \t]*+{_NO_MORE}",
    Kind.ENDS_WITH: rf"ends{_GAP}with[ \t]*+{_NO_MORE}",
}
_ELSEWHERE = {
    Kind.LABEL: rf"(?!(?:has|all|global)\(){_NAME}",
    Kind.ALL: rf"all\({_GAP}\)",
    Kind.GLOBAL: rf"global\({_GAP}\)",
}
# Of this token the text that counts is only the label's name.
_HAS = rf"has\({_GAP}(?P<HAS>{_NAME}){_GAP}\)"


def _alternatives(*patterns: dict[Kind, str]) -> str:
    """Return a pattern with a group for each kind of token, of the kind's name."""
    return "|".join(f"(?P<{kind.name}>{text})" for part in patterns for kind, text in part.items())


_BLANKS = re.compile(r"[ \t]*+")
_TOKEN_AFTER_LABEL = re.compile(rf"(?:{_alternatives(_AFTER_LABEL, _ANYWHERE)})[ \t]*+")
_TOKEN = re.compile(rf"(?:{_alternatives(_ANYWHERE, _ELSEWHERE)}|{_HAS})[ \t]*+")


def tokenize(text: str) -> list[Token]:
    """Cut `text` into tokens, the last of which is `Kind.END`; raise SelectorError."""
    tokens: list[Token] = []
    kinds = Kind.__members__
    pattern = _TOKEN
    position = _after_blanks(text, 0)
    while found := pattern.match(text, position):
        group = found.lastgroup
        assert group is not None
        kind = kinds[group]
        tokens.append(Token(kind, position, found[group]))
        pattern = _TOKEN_AFTER_LABEL if kind is Kind.LABEL else _TOKEN
        position = found.end()
    if position < len(text):
        _refuse(text, position, tokens)
    tokens.append(Token(Kind.END, position))
    return tokens


def _after_blanks(text: str, position: int) -> int:
    blanks = _BLANKS.match(text, position)
    assert blanks is not None
    return blanks.end()


_RUN = re.compile(rf"{_CHARACTER}*+")
_CALL = re.compile(rf"(has|all|global)\({_GAP}")
_TWO_WORDS = re.compile(rf"(?:(?P<set>not){_GAP}in|(starts|ends){_GAP}with)[ \t]++")


def _refuse(text: str, position: int, tokens: list[Token]) -> NoReturn:
    """Say why no token starts at `position`."""
    character = text[position]
    if character in "\"'":
        message = (
            f"expected {character} at the end of the string that starts here, found {THE_END}"
        )
        raise SelectorError(message, position)
    if character in "=&|":
        message = f"expected {character * 2}, found a single {character}"
        raise SelectorError(message, position)
    if tokens and tokens[-1].kind is Kind.LABEL:
        _check_length(text, tokens[-1].position)
        _refuse_operator(text, position, tokens[-1])
    if call := _CALL.match(text, position):
        _refuse_call(text, call)
    _check_length(text, position)
    if character.isspace():
        message = f"expected only spaces and tabs between words, found {character!r}"
        raise SelectorError(message, position)
    raise SelectorError(f"expected a word, a string or an operator, found {character!r}", position)


def _refuse_operator(text: str, position: int, label: Token) -> NoReturn:
    """Say why what follows a label is no operator: or is one, but a name stands behind it."""
    if operator := _TWO_WORDS.match(text, position):
        expected = "a set of strings in { }" if operator["set"] else "a string in quotes"
        message = f"expected {expected}, found {_found(text, operator.end())}"
        raise SelectorError(message, operator.end())
    raise no_operator(label, _found(text, position), position)


def no_operator(label: Token, found: str, position: int) -> SelectorError:
    """Return what is wrong if a label's name is followed by anything else than an operator."""
    message = f"expected an operator after {label} ({OPERATORS}), found {found}"
    return SelectorError(message, position)


def _refuse_call(text: str, call: re.Match[str]) -> NoReturn:
    """Say what is missing in `has(`, `all(` or `global(`."""
    position = call.end()
    if call[1] == "has":
        _check_length(text, position)
        name = _RUN.match(text, position)
        assert name is not None
        if not name[0]:
            message = f"expected a label without quotes after has(, found {_found(text, position)}"
            raise SelectorError(message, position)
        position = _after_blanks(text, name.end())
    message = f"expected ) to close {call[1]}(, found {_found(text, position)}"
    raise SelectorError(message, position)


def _check_length(text: str, position: int) -> None:
    name = _RUN.match(text, position)
    assert name is not None
    length = len(name[0])
    if length > MAX_LABEL_LENGTH:
        message = (
            f"a label has at most {MAX_LABEL_LENGTH} characters, {shown(name[0])} has {length}"
        )
        raise SelectorError(message, position)


def _found(text: str, position: int) -> str:
    """Name what stands somewhere: a word, a character, or the end."""
    word = _RUN.match(text, position)
    assert word is not None
    return shown(word[0] or text[position]) if position < len(text) else THE_END
