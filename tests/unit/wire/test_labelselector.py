import pytest

from apiserver.wire.fieldselectors import SelectorError
from apiserver.wire.labelselector import read_label_selector


def expression(operator, *values, key="env"):
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("selector", "labels", "matches"),
    [
        pytest.param({}, {}, True, id="everything"),
        pytest.param({"matchLabels": {"a": "1"}}, {"a": "1", "b": "2"}, True, id="a label"),
        pytest.param({"matchLabels": {"a": "1"}}, {"a": "2"}, False, id="another value"),
        pytest.param({"matchLabels": {"a": "1", "b": "2"}}, {"a": "1"}, False, id="one of two"),
        pytest.param(expression("In", "x", "y"), {"env": "y"}, True, id="one of"),
        pytest.param(expression("In", "x"), {}, False, id="one of, without"),
        pytest.param(expression("NotIn", "x"), {"env": "x"}, False, id="none of"),
        pytest.param(expression("NotIn", "x"), {}, True, id="none of, without"),
        pytest.param(expression("Exists"), {"env": ""}, True, id="there"),
        pytest.param(expression("Exists"), {}, False, id="there, without"),
        pytest.param(expression("DoesNotExist"), {}, True, id="not there"),
        pytest.param(expression("DoesNotExist"), {"env": ""}, False, id="not there, with"),
        pytest.param(
            {"matchLabels": {"a": "1"}, **expression("Exists")}, {"a": "1"}, False, id="both"
        ),
    ],
)
def test_a_selector_selects(selector, labels, matches):
    assert read_label_selector(selector).matches(labels) is matches


@pytest.mark.parametrize(
    "selector",
    [
        pytest.param(expression("Like"), id="another operator"),
        pytest.param({"matchExpressions": ["env"]}, id="no expression"),
    ],
)
def test_a_selector_that_cannot_be_read(selector):
    with pytest.raises(SelectorError):
        read_label_selector(selector)
