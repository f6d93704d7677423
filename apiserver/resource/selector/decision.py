"""From a tree to steps: what a selector asks of labels, in which order, and where each answer leads.

A step's answers lead to the first step of the next operand, or straight past all operands that no
longer matter: `a && b` asks for b only if a is true. So nothing of the tree is left when a selector is
held against labels; that takes one loop without a stack, whatever the depth of the tree was.
"""

from collections.abc import Callable
from typing import Final, TypeAlias, assert_never

from apiserver.resource.selector.nodes import (
    FALSE,
    TRUE,
    Comparison,
    Everything,
    Has,
    Junction,
    Membership,
    Node,
    Not,
    Step,
    Term,
)

# Stands for the step that was made last: where the operand that follows begins.
_FOLLOWING: Final = -3

_Accepts: TypeAlias = Callable[[str | None], bool]


def decide(root: Node) -> tuple[tuple[Step, ...], int]:
    """Return the steps of a tree, and the number of the first one (or TRUE, if there is none).

    They are made from the last to the first, as an answer leads only to steps that come later. The
    number of a step therefore is greater than those that it leads to: no answer leads back.
    """
    steps: list[Step] = []
    first = TRUE
    pending: list[tuple[Node, int, int]] = [(root, TRUE, FALSE)]
    while pending:
        node, if_true, if_false = pending.pop()
        if_true = first if if_true == _FOLLOWING else if_true
        if_false = first if if_false == _FOLLOWING else if_false
        match node:
            case Everything():
                first = if_true
            case Not(operand):
                pending.append((operand, if_false, if_true))
            case Junction("&&", operands):
                pending.extend((operand, _FOLLOWING, if_false) for operand in operands[:-1])
                pending.append((operands[-1], if_true, if_false))
            case Junction(_, operands):
                pending.extend((operand, if_true, _FOLLOWING) for operand in operands[:-1])
                pending.append((operands[-1], if_true, if_false))
            case _:
                first = len(steps)
                steps.append(_step(node, if_true, if_false))
    return tuple(steps), first


def _step(term: Term, if_true: int, if_false: int) -> Step:
    """Return the question that a term asks; a negative one is the positive one, with answers swapped."""
    match term:
        case Has(label):
            return Step(label, frozenset([None]).__contains__, if_false, if_true)
        case Comparison(label, "!=", value):
            return Step(label, frozenset([value]).__contains__, if_false, if_true)
        case Comparison(label, operator, value):
            return Step(label, _ACCEPTING[operator](value), if_true, if_false)
        case Membership(label, "not in", values):
            return Step(label, values.__contains__, if_false, if_true)
        case Membership(label, _, values):
            return Step(label, values.__contains__, if_true, if_false)
    assert_never(term)


def _equal_to(value: str) -> _Accepts:
    return frozenset([value]).__contains__


def _containing(value: str) -> _Accepts:
    return lambda actual: actual is not None and value in actual


def _starting_with(value: str) -> _Accepts:
    return lambda actual: actual is not None and actual.startswith(value)


def _ending_with(value: str) -> _Accepts:
    return lambda actual: actual is not None and actual.endswith(value)


_ACCEPTING: Final = {
    "==": _equal_to,
    "contains": _containing,
    "starts with": _starting_with,
    "ends with": _ending_with,
}
