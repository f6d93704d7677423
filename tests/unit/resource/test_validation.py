import pytest

from apiserver.jsontypes import JsonObject
from apiserver.resource.filters import MAX_PORT_TERMS, MAX_RULES
from apiserver.resource.validation import name_problems, name_warnings, validate_spec

ALL: JsonObject = {"selector": "all()"}
START, END = "2026-01-02T15:00:00Z", "2026-01-02T16:00:00Z"


@pytest.mark.parametrize("name", ["a", "http", "A_b", "a.b-c_D9", "x" * 253])
def test_what_calicos_documentation_promises_is_a_name(name):
    assert name_problems(name) == []


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", ".", "..", "a/b", "a b", "a%", "ä", "a\n", "x" * 254]
)
def test_anything_else_is_no_name(name):
    assert len(name_problems(name)) == 1


def test_a_name_that_kubernetes_would_not_take_earns_a_warning():
    assert name_warnings("http-1.x") == ()
    assert len(name_warnings("A_b")) == 1


def test_a_plain_spec_is_right():
    spec, errors = validate_spec(ALL, None)

    assert spec is not None
    assert errors == []


@pytest.mark.parametrize(
    ("extra", "field"),
    [
        pytest.param({"selector": "app ="}, "spec.selector", id="selector"),
        pytest.param(
            {"filters": [{"protocol": "tcp"}]}, "spec.filters[0].protocol", id="protocol"
        ),
        pytest.param(
            {"filters": [{}, {"ports": [0]}]}, "spec.filters[1].ports[0]", id="port zero"
        ),
        pytest.param(
            {"filters": [{"protocol": "ICMP", "ports": [80]}]},
            "spec.filters[0].ports",
            id="ports of a protocol that has none",
        ),
        pytest.param({"filters": [{}] * (MAX_RULES + 1)}, "spec.filters", id="too many rules"),
        pytest.param(
            {"filters": [{"ports": [*range(1, MAX_PORT_TERMS + 2)]}]},
            "spec.filters",
            id="too many ports",
        ),
        pytest.param({"startTime": END, "endTime": START}, "spec.endTime", id="end before start"),
        pytest.param({"startTime": END, "endTime": END}, "spec.endTime", id="end at start"),
    ],
)
def test_what_is_wrong_is_named(extra, field):
    _, errors = validate_spec(ALL | extra, None)

    assert [error.field for error in errors] == [field]


def test_times_that_were_accepted_once_do_not_block_an_edit_of_the_rest():
    old = ALL | {"startTime": END, "endTime": START}

    _, errors = validate_spec(old | {"selector": "has(a)"}, old)

    assert errors == []


def test_times_that_change_are_looked_at_again():
    old = ALL | {"startTime": END, "endTime": START}

    _, errors = validate_spec(old | {"endTime": END}, old)

    assert [error.field for error in errors] == ["spec.endTime"]
