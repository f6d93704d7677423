"""Tokens to a selector, over the grammar of calico-semantics 2.1.

Groups may be nested as deep as a text is long, as in Calico, whose stack grows: open groups are kept in
a list here, and nothing recurses.
"""

from dataclasses import dataclass, field
from typing import Literal

from apiserver.resource.selector.decision import decide
from apiserver.resource.selector.nodes import (
    Comparison,
    Everything,
    Has,
    Junction,
    Membership,
    Node,
    Not,
    Selector,
    SelectorError,
    render,
)
from apiserver.resource.selector.tokens import Kind, Token, no_operator, tokenize


def parse(text: str) -> Selector:
    """Return the selector that `text` is, `all()` if blank; raise SelectorError if it is none.

    Takes time in proportion to the length of the text, also for what is no selector.
    """
    tokens = tokenize(text)
    root = Everything("all()") if len(tokens) == 1 else _Parser(tokens).tree()
    return Selector(render(root), *decide(root))


@dataclass(slots=True)
class _Group:
    """What has been read between two parentheses, or of the whole selector (no `opening`)."""

    opening: Token | None = None
    is_negated: bool = False
    alternatives: list[Node] = field(default_factory=list)
    conjuncts: list[Node] = field(default_factory=list)

    def add(self, operand: Node, *, is_negated: bool) -> None:
        self.conjuncts.append(Not(operand) if is_negated else operand)

    def end_alternative(self) -> None:
        self.alternatives.append(_joined("&&", self.conjuncts))
        self.conjuncts = []

    def node(self) -> Node:
        self.end_alternative()
        return _joined("||", self.alternatives)


def _joined(operator: Literal["&&", "||"], operands: list[Node]) -> Node:
    return operands[0] if len(operands) == 1 else Junction(operator, tuple(operands))


class _Parser:
    """The place reached in a list of tokens, and the groups that are open there."""

    def __init__(self, tokens: list[Token]) -> None:
        self._rest = iter(tokens)
        self._current = next(self._rest)
        self._group = _Group()
        self._enclosing: list[_Group] = []

    def tree(self) -> Node:
        while True:
            self._operand()
            if self._skip(Kind.OR):
                self._group.end_alternative()
            elif not self._skip(Kind.AND):
                break
        self._expect_end()
        return self._group.node()

    def _operand(self) -> None:
        """Read all that may stand between two operators: also parentheses that open and close."""
        is_negated = self._negation()
        while self._current.kind is Kind.OPEN_GROUP:
            self._enclosing.append(self._group)
            self._group = _Group(self._take(), is_negated)
            is_negated = self._negation()
        self._group.add(self._term(), is_negated=is_negated)
        while self._enclosing and self._skip(Kind.CLOSE_GROUP):
            closed, self._group = self._group, self._enclosing.pop()
            self._group.add(closed.node(), is_negated=closed.is_negated)

    def _negation(self) -> bool:
        is_negated = False
        while self._skip(Kind.NOT):
            is_negated = not is_negated
        return is_negated

    def _term(self) -> Node:
        token = self._take()
        match token.kind:
            case Kind.LABEL:
                return self._condition(token)
            case Kind.HAS:
                return Has(token.text)
            case Kind.ALL:
                return Everything("all()")
            case Kind.GLOBAL:
                return Everything("global()")
            case _:
                message = f"expected a label, has(), all(), global(), ! or (, found {token}"
                raise SelectorError(message, token.position)

    def _condition(self, label: Token) -> Node:
        operator = self._take()
        match operator.kind.value:
            case "==" | "!=" | "contains" | "starts with" | "ends with" as comparison:
                return Comparison(label.text, comparison, self._string())
            case "in" | "not in" as membership:
                return Membership(label.text, membership, self._set())
            case _:
                raise no_operator(label, str(operator), operator.position)

    def _string(self) -> str:
        if self._current.kind is not Kind.STRING:
            raise self._expected("a string in quotes")
        return self._take().text[1:-1]

    def _set(self) -> frozenset[str]:
        """Read `{"a", "b",}`: strings, commas between them, and one more comma after the last."""
        if not self._skip(Kind.OPEN_SET):
            raise self._expected("a set of strings in { }")
        values: set[str] = set()
        expected = "a string in quotes or }"
        while self._current.kind is Kind.STRING:
            values.add(self._string())
            if not self._skip(Kind.COMMA):
                expected = "a comma or }"
                break
        if not self._skip(Kind.CLOSE_SET):
            raise self._expected(expected)
        return frozenset(values)

    def _expect_end(self) -> None:
        opening = self._group.opening
        if opening is not None:
            raise self._expected(f"&&, || or ) for the ( at character {opening.position + 1}")
        if self._current.kind is not Kind.END:
            raise self._expected("&&, || or the end of the selector")

    def _expected(self, what: str) -> SelectorError:
        return SelectorError(f"expected {what}, found {self._current}", self._current.position)

    def _take(self) -> Token:
        """Return the current token and go on; the end stays the end."""
        token = self._current
        if token.kind is not Kind.END:
            self._current = next(self._rest)
        return token

    def _skip(self, kind: Kind) -> bool:
        if self._current.kind is not kind:
            return False
        self._take()
        return True
