"""What each side makes up by itself has symbols, which still say what is the same."""

import json

import pytest

from tests.conformance.sidebyside.exchange import Answer
from tests.conformance.sidebyside.normal import Symbols, summary
from tests.support.client import KEEPS_LITTLE_HEADER

_UID = "8fd1b7b4-76b0-47bc-8148-9fc37c8836c7"
_OTHER = "61a1bcd8-1869-4259-994c-9a6ee2ef0a6f"


def _object(version, name="a", uid=_UID, **metadata):
    return {"metadata": {"name": name, "uid": uid, "resourceVersion": version, **metadata}}


def _versions(symbols, *objects):
    return [symbols.normal(each)["metadata"]["resourceVersion"] for each in objects]


def _answer(body, content_type="application/json", **headers):
    return Answer(200, {"content-type": (content_type,), **headers}, body)


def test_versions_are_numbered_by_their_first_appearance():
    found = _versions(Symbols(), _object("70"), _object("90"), _object("70"))

    assert found == ["version 1 of a", "version 2 of a", "version 1 of a"]


def test_versions_of_different_objects_are_numbered_apart():
    found = _versions(Symbols(), _object("70"), _object("80", "b", _OTHER))

    assert found == ["version 1 of a", "version 1 of b"]


def test_a_lists_version_is_the_stores():
    assert Symbols().normal(
        {"metadata": {"resourceVersion": "5", "continue": "abc"}, "items": []}
    ) == {
        "metadata": {"resourceVersion": "some version", "continue": "some place"},
        "items": [],
    }


def test_a_list_without_a_version_has_none():
    assert Symbols().normal({"resourceVersion": ""}) == {"resourceVersion": ""}


def test_an_object_that_is_made_again_has_another_uid():
    symbols = Symbols()

    found = [symbols.normal(_object("1", uid=uid))["metadata"]["uid"] for uid in (_UID, _OTHER)]

    assert found == ["uid 1 of a", "uid 2 of a"]


def test_messages_name_what_is_known_by_its_symbol():
    symbols = Symbols()
    symbols.normal(_object("70"))

    assert symbols.normal(f"the version (70) of {_UID}, not (71) of {_OTHER}") == (
        "the version (version 1 of a) of uid 1 of a, not (71) of some uid"
    )


def test_a_document_in_a_message_is_made_normal_as_well():
    quoted = json.dumps(json.dumps(_object("70")))

    assert Symbols().normal(f"patch: Invalid value: {quoted}: bad") == (
        'patch: Invalid value: {"metadata": {"name": "a", "resourceVersion": "version 1 of a",'
        ' "uid": "uid 1 of a"}}: bad'
    )


@pytest.mark.parametrize("text", ['Invalid value: "{": bad', 'Invalid value: "{}'])
def test_what_only_begins_as_a_document_stays(text):
    assert Symbols().normal(text) == text


def test_a_generated_name_is_its_prefix():
    named = _object("1", "some-x7k2p", generateName="some-")

    metadata = Symbols().normal(named)["metadata"]

    assert metadata["name"] == "some-?????"
    assert metadata["uid"] == "uid 1 of some-?????"


@pytest.mark.parametrize(
    ("value", "normal"),
    [
        pytest.param("2026-01-02T03:04:05Z", "some time", id="a time"),
        pytest.param(None, None, id="null stays"),
        pytest.param("yesterday", "yesterday", id="and so does what is none"),
    ],
)
def test_times_are_some_time(value, normal):
    assert Symbols().normal({"creationTimestamp": value}) == {"creationTimestamp": normal}


def test_managers_are_in_the_order_of_their_names():
    entries = [{"manager": each, "operation": "Update"} for each in ("b", "a")]

    assert Symbols().normal({"managedFields": entries}) == {"managedFields": entries[::-1]}


def test_a_status_that_is_always_there_is_owned_by_nobody():
    entries = [
        {"manager": "a", "fieldsV1": {"f:status": {".": {}}}},
        {"manager": "b", "fieldsV1": {"f:status": {".": {}, "f:pods": {}}}},
    ]

    assert Symbols().normal({"managedFields": entries}) == {
        "managedFields": [{"manager": "b", "fieldsV1": {"f:status": {"f:pods": {}}}}]
    }


def test_causes_have_no_order_and_are_told_once():
    causes = [{"field": "b"}, {"field": "a"}, {"field": "b"}]

    assert Symbols().normal({"causes": causes}) == {"causes": [{"field": "a"}, {"field": "b"}]}


def test_ages_in_tables_are_some_age():
    assert Symbols().normal({"cells": ["a", "3m12s", 5]}) == {"cells": ["a", "some age", 5]}


@pytest.mark.parametrize(
    ("body", "content_type", "document"),
    [
        pytest.param('{"a":1}', "application/json", {"a": 1}, id="JSON"),
        pytest.param(
            "a: 2026-01-02T03:04:05Z", "application/yaml", {"a": "2026-01-02T03:04:05Z"}, id="YAML"
        ),
        pytest.param(
            '{"type":"A"}\n{"type":"B"}\n',
            "application/json",
            [{"type": "A"}, {"type": "B"}],
            id="a watch",
        ),
        pytest.param("404 page not found", "text/plain", "404 page not found", id="text"),
        pytest.param(
            "k8s\x00\n", "application/vnd.kubernetes.protobuf", "(protobuf)", id="protobuf"
        ),
    ],
)
def test_a_body_is_read_as_what_it_is_said_to_be(body, content_type, document):
    assert Symbols().said(_answer(body, content_type)).body == document


def test_headers_of_the_moment_are_left_out():
    answer = _answer(
        "{}", date=("now",), **{"cache-control": ("no-cache, private", "no-cache, private")}
    )

    assert Symbols().said(answer).headers == {
        "content-type": "application/json",
        "cache-control": "no-cache, private",
    }


def test_what_everybody_is_warned_of_is_left_out():
    alone = _answer("{}", warning=(KEEPS_LITTLE_HEADER,))
    beside = _answer("{}", warning=('299 - "first"', KEEPS_LITTLE_HEADER))

    assert "warning" not in Symbols().said(alone).headers
    assert Symbols().said(beside).headers["warning"] == ['299 - "first"']


@pytest.mark.parametrize(
    ("body", "layout"),
    [
        pytest.param("{}\n", "compact, ends with a newline", id="as JSON comes"),
        pytest.param('{\n  "a": 1\n}', "indented, does not end with a newline", id="pretty"),
    ],
)
def test_a_layout_is_seen(body, layout):
    assert Symbols().said(_answer(body)).layout == layout


def test_a_summary_is_one_line():
    said = Symbols().said(
        Answer(422, {}, json.dumps({"kind": "Status", "reason": "Invalid", "message": "bad"}))
    )

    assert summary(said) == "422 Invalid: bad"
