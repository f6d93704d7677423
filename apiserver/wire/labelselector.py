"""LabelSelector documents (meta/v1): the selectors in objects, not those in queries."""

from typing import Final

from apiserver.jsontypes import JsonObject, JsonValue, array_at, object_at, text_at
from apiserver.wire.fieldselectors import SelectorError
from apiserver.wire.selectors import LabelSelector, Operator, Requirement

_OPERATORS: Final = {
    "In": Operator.IN,
    "NotIn": Operator.NOT_IN,
    "Exists": Operator.EXISTS,
    "DoesNotExist": Operator.DOES_NOT_EXIST,
}


def read_label_selector(document: JsonObject) -> LabelSelector:
    """Return the selector that a document says; an empty one selects everything.

    Raises `SelectorError`.
    """
    labels = object_at(document, "matchLabels")
    equal = [Requirement(key, Operator.IN, _texts([labels[key]])) for key in sorted(labels)]
    expressions = (each for each in array_at(document, "matchExpressions"))
    return LabelSelector((*equal, *map(_requirement, expressions)))


def _requirement(expression: JsonValue) -> Requirement:
    if not isinstance(expression, dict):
        raise SelectorError("an expression of a label selector is no object")
    operator = _OPERATORS.get(text_at(expression, "operator"))
    if operator is None:
        raise SelectorError(
            f'"{text_at(expression, "operator")}" is not a valid label selector operator'
        )
    return Requirement(
        text_at(expression, "key"), operator, _texts(array_at(expression, "values"))
    )


def _texts(values: list[JsonValue]) -> tuple[str, ...]:
    return tuple(sorted({each for each in values if isinstance(each, str)}))
