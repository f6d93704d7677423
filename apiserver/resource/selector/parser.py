"""Tokens to nodes, by recursive descent over the grammar of calico-semantics 2.1."""

from typing import Literal

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
)
from apiserver.resource.selector.tokens import Kind, Token, tokenize

# Calico has no limit, as Go's stack grows. Each level takes four of Python's frames (of 1,000) to
# parse and at most three to evaluate.
MAX_NESTING = 100


def parse(text: str) -> Selector:
    """Return the selector that `text` is, `all()` if blank; raise SelectorError if it is none."""
    tokens = tokenize(text)
    if len(tokens) == 1:
        return Selector(Everything("all()"))
    parser = _Parser(tokens)
    root = parser.disjunction()
    rest = parser.current
    if rest.kind is not Kind.END:
        message = f"unexpected content at end of selector: {rest}"
        raise SelectorError(message, rest.position)
    return Selector(root)


class _Parser:
    """The place reached in a list of tokens, and how many groups are open there."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._nesting = 0

    @property
    def current(self) -> Token:
        return self._tokens[self._next]

    def disjunction(self) -> Node:
        operands = [self._conjunction()]
        while self._skip(Kind.OR):
            operands.append(self._conjunction())
        return _joined("||", operands)

    def _conjunction(self) -> Node:
        operands = [self._operand()]
        while self._skip(Kind.AND):
            operands.append(self._operand())
        return _joined("&&", operands)

    def _operand(self) -> Node:
        negated = False
        while self._skip(Kind.NOT):
            negated = not negated
        operand = self._group() if self.current.kind is Kind.OPEN_GROUP else self._term()
        return Not(operand) if negated else operand

    def _group(self) -> Node:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            message = f"parentheses are nested deeper than {MAX_NESTING} levels"
            raise SelectorError(message, self.current.position)
        self._expect(Kind.OPEN_GROUP, "(")
        inner = self.disjunction()
        self._expect(Kind.CLOSE_GROUP, ")")
        self._nesting -= 1
        return inner

    def _term(self) -> Node:
        token = self._take()
        match token.kind:
            case Kind.ALL:
                return Everything("all()")
            case Kind.GLOBAL:
                return Everything("global()")
            case Kind.HAS:
                return Has(token.text)
            case Kind.LABEL:
                return self._condition(token)
            case _:
                raise SelectorError(f"unexpected {token}", token.position)

    def _condition(self, label: Token) -> Node:
        operator = self._take()
        match operator.kind.value:
            case "==" | "!=" | "contains" | "starts with" | "ends with" as comparison:
                value = self._expect(Kind.STRING, "a string")
                return Comparison(label.text, comparison, value.text)
            case "in" | "not in" as membership:
                return Membership(label.text, membership, self._set())
            case _:
                raise SelectorError(f"expected an operator after {label}", operator.position)

    def _set(self) -> frozenset[str]:
        """Read `{"a", "b",}`: strings, commas between them, and one more comma after the last."""
        self._expect(Kind.OPEN_SET, "a set of strings in { }")
        values: set[str] = set()
        while self.current.kind is Kind.STRING:
            values.add(self._take().text)
            if not self._skip(Kind.COMMA):
                break
        self._expect(Kind.CLOSE_SET, "}")
        return frozenset(values)

    def _take(self) -> Token:
        """Return the current token and go on; the end stays the end."""
        token = self.current
        if token.kind is not Kind.END:
            self._next += 1
        return token

    def _skip(self, kind: Kind) -> bool:
        found = self.current.kind is kind
        self._next += found
        return found

    def _expect(self, kind: Kind, name: str) -> Token:
        token = self.current
        if not self._skip(kind):
            raise SelectorError(f"expected {name}, not {token}", token.position)
        return token


def _joined(operator: Literal["&&", "||"], operands: list[Node]) -> Node:
    return operands[0] if len(operands) == 1 else Junction(operator, tuple(operands))
