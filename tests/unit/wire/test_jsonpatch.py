"""JSON patch obeys RFC 6902, and kube-apiserver's library where that goes beyond it."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.jsontypes import JsonObject
from apiserver.wire import jsonpatch
from apiserver.wire.jsonpatch import json_patch, unknown_members
from apiserver.wire.patcherrors import MalformedPatchError, PatchTooLongError, UnfitPatchError


def add(path, value):
    return {"op": "add", "path": path, "value": value}


def remove(path):
    return {"op": "remove", "path": path}


def replace(path, value):
    return {"op": "replace", "path": path, "value": value}


def move(source, path):
    return {"op": "move", "from": source, "path": path}


def duplicate(source, path):
    return {"op": "copy", "from": source, "path": path}


def expect(path, value):
    return {"op": "test", "path": path, "value": value}


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        pytest.param({"foo": 1}, [add("/baz", 2)], {"foo": 1, "baz": 2}, id="A.1 add a member"),
        pytest.param({"foo": [1, 3]}, [add("/foo/1", 2)], {"foo": [1, 2, 3]}, id="A.2 add an item"),
        pytest.param({"a": 1, "b": 2}, [remove("/a")], {"b": 2}, id="A.3 remove a member"),
        pytest.param({"a": [1, 2, 3]}, [remove("/a/1")], {"a": [1, 3]}, id="A.4 remove an item"),
        pytest.param({"a": 1}, [replace("/a", "x")], {"a": "x"}, id="A.5 replace"),
        pytest.param({"a": {"b": 1}}, [move("/a/b", "/c")], {"a": {}, "c": 1}, id="A.6 move"),
        pytest.param({"a": [1, 2, 3]}, [move("/a/0", "/a/2")], {"a": [2, 3, 1]}, id="A.7 move item"),
        pytest.param({"a": [1, "x"]}, [expect("/a/1", "x")], {"a": [1, "x"]}, id="A.8 test"),
        pytest.param({"a": 1}, [add("/c", {"d": 1})], {"a": 1, "c": {"d": 1}}, id="A.10 nested"),
        pytest.param({"/": 9, "~1": 10}, [expect("/~01", 10)], {"/": 9, "~1": 10}, id="A.14 tilde"),
        pytest.param({"a": [1]}, [add("/a/-", [2])], {"a": [1, [2]]}, id="A.16 append"),
        pytest.param({"": 1}, [replace("/", 2)], {"": 2}, id="the empty key"),
        pytest.param({"a": 1}, [], {"a": 1}, id="no operations"),
        pytest.param({"a": 1}, None, {"a": 1}, id="null"),
        pytest.param({"a": [1]}, [duplicate("/a", "/b"), add("/b/-", 2)], {"a": [1], "b": [1, 2]},
                     id="a copy is one's own"),
        pytest.param({"a": 1}, [add("/a", None)], {"a": None}, id="add null"),
        pytest.param({"a": 1}, [{"op": "add", "path": "/a"}], {"a": None}, id="no value is null"),
        pytest.param({"a": 1}, [replace("", {"b": 2})], {"b": 2}, id="replace the whole"),
        pytest.param({"a": 1}, [replace("", [1])], [1], id="replace the whole by an array"),
        pytest.param({"a": 1}, [expect("", {"a": 1})], {"a": 1}, id="test the whole"),
    ],
)  # fmt: skip
def test_what_the_rfc_says(target, patch, result):
    assert json_patch(target, patch) == result


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        pytest.param({"a": [1, 2]}, [remove("/a/-1")], {"a": [1]}, id="the last one"),
        pytest.param({"a": [1, 2]}, [replace("/a/-2", 9)], {"a": [9, 2]}, id="the last but one"),
        pytest.param(
            {"a": [1, 2]}, [add("/a/-1", 3)], {"a": [1, 2, 3]}, id="added behind the last"
        ),
        pytest.param(
            {"a": [1, 2]}, [add("/a/-3", 0)], {"a": [0, 1, 2]}, id="added before the first"
        ),
        pytest.param({"a": [1]}, [replace("/a/+0", 2)], {"a": [2]}, id="a sign"),
        pytest.param({"a": [1, 2]}, [replace("/a/01", 3)], {"a": [1, 3]}, id="a leading zero"),
        pytest.param(
            {}, [replace("/a", 1)], {"a": 1}, id="replace sets a member that is not there"
        ),
        pytest.param({}, [expect("/a", None)], {}, id="a member that is not there tests as null"),
        pytest.param({}, [duplicate("/a", "/b")], {"b": None}, id="and copies as null"),
        pytest.param(
            {"b": 1}, [remove("a/b")], {}, id="what is before the first slash is ignored"
        ),
    ],
)
def test_what_kubernetes_allows_beyond_the_rfc(target, patch, result):
    assert json_patch(target, patch) == result


@pytest.mark.parametrize(
    ("target", "operation"),
    [
        pytest.param({}, remove("/a"), id="remove what is not there"),
        pytest.param({}, add("/a/b", 1), id="no parent"),
        pytest.param({"a": 1}, add("/a/b", 1), id="the parent is a number"),
        pytest.param({"a": None}, add("/a/b", 1), id="the parent is null"),
        pytest.param({"a": [1]}, add("/a/2", 1), id="beyond the end"),
        pytest.param({"a": [1]}, add("/a/-3", 1), id="before the beginning"),
        pytest.param({"a": [1]}, replace("/a/1", 1), id="replace beyond the end"),
        pytest.param({"a": [1]}, replace("/a/-", 1), id="replace at the end"),
        pytest.param({"a": [1]}, remove("/a/-"), id="remove at the end"),
        pytest.param({"a": [1]}, remove("/a/x"), id="an index that is none"),
        pytest.param({"a": [1]}, remove("/a/1_0"), id="an index only for Python"),
        pytest.param({"a": [1]}, remove("/a/" + "9" * 50), id="a huge index"),
        pytest.param({"a": [[1]]}, add("/a/-/0", 1), id="through the end"),
        pytest.param({"a": 1}, add("", {}), id="add the whole"),
        pytest.param({"a": 1}, remove(""), id="remove the whole"),
        pytest.param({"a": 1}, replace("", 5), id="replace the whole by a number"),
        pytest.param({"a": 1}, replace("", None), id="replace the whole by null"),
        pytest.param({"a": 1}, {"op": "remove", "path": "a"}, id="a path without a slash"),
        pytest.param({"a": 1}, {"op": "remove"}, id="no path"),
        pytest.param({"a": 1}, {"op": "remove", "path": None}, id="the path is null"),
        pytest.param({"a": 1}, {"op": "move", "path": "/b"}, id="no from"),
        pytest.param({}, move("/a", "/b"), id="move what is not there"),
        pytest.param({"a": {"b": 1}}, move("/a", "/a/c"), id="move into itself"),
        pytest.param({"a": 1}, duplicate("", "/b"), id="copy the whole"),
        pytest.param({"a": 1}, {"op": "frob", "path": "/a"}, id="another operation"),
        pytest.param({"a": 1}, {"path": "/a"}, id="no operation"),
        pytest.param({"a": 1}, None, id="a null for an operation"),
        pytest.param({"a": 1}, expect("/a", 2), id="another number"),
        pytest.param({"a": 1}, expect("/a", True), id="true is not 1"),
        pytest.param({"a": 1}, expect("/a", 1.0), id="1.0 is not 1"),
        pytest.param({"a": 1}, expect("/a", "1"), id="nor is a string"),
        pytest.param({"a": [1]}, expect("/a", [1, 2]), id="a longer array"),
        pytest.param({"a": {"b": 1}}, expect("/a", {"b": 1, "c": 2}), id="one more member"),
        pytest.param({"a": {"b": 1}}, expect("/a", {"c": 1}), id="another member"),
        pytest.param({"a": 1}, expect("/b", 1), id="nothing is there"),
    ],
)  # fmt: skip
def test_a_patch_that_does_not_fit_changes_nothing(target, operation):
    with pytest.raises(UnfitPatchError):
        json_patch(target, [add("/z", 1), operation])

    assert "z" not in target


@pytest.mark.parametrize(
    ("operation", "problem"),
    [
        ("add", "cannot unmarshal string into an operation"),
        ([], "cannot unmarshal array into an operation"),
        ({"op": 5}, "cannot unmarshal number into op"),
        ({"op": "add", "path": {}}, "cannot unmarshal object into path"),
        ({"op": "move", "path": "/a", "from": True}, "cannot unmarshal bool into from"),
    ],
)
def test_operations_of_a_wrong_form_are_told_before_anything_is_tried(operation, problem):
    with pytest.raises(MalformedPatchError, match=problem):
        json_patch({}, [remove("/missing"), operation])


def test_there_may_be_ten_thousand_operations():
    assert json_patch({}, [add("/a", 1)] * 10_000) == {"a": 1}


def test_one_more_is_too_long():
    with pytest.raises(PatchTooLongError, match="JSON patch is 10000, got 10001"):
        json_patch({}, [remove("/missing")] * 10_001)


def test_copies_may_add_up_to_three_mebibytes(monkeypatch):
    monkeypatch.setattr(jsonpatch, "MAX_COPIED_BYTES", 10)
    eight_bytes = "x" * 6

    copied = json_patch({"a": eight_bytes}, [duplicate("/a", "/b")])

    assert copied == {"a": eight_bytes, "b": eight_bytes}
    with pytest.raises(UnfitPatchError, match="copies"):
        json_patch({"a": eight_bytes}, [duplicate("/a", "/b"), duplicate("/a", "/b")])


def test_shifting_long_arrays_is_bounded():
    long: JsonObject = {"a": [0] * 500_000}

    with pytest.raises(UnfitPatchError, match="long arrays"):
        json_patch(long, [add("/a/0", 1)] * 5_000)


def test_moves_do_not_pile_up_depth():
    around = [add("/b", {}), move("/a", "/b/x"), move("/b", "/a")]

    with pytest.raises(UnfitPatchError, match="depth"):
        json_patch({"a": {}}, around * 201)
    with pytest.raises(UnfitPatchError, match="depth"):
        json_patch({"a": {}}, around * 3_000)


def test_unknown_members_are_named_by_their_operation():
    patch = [add("/a", {"unknown": 1}), {"op": "add", "foo": 1, "Path": "/a"}, None, 5]

    assert unknown_members(patch) == (
        'json patch unknown field "[1].foo"',
        'json patch unknown field "[1].Path"',
    )


def test_no_more_than_a_hundred_unknown_members_are_named():
    assert len(unknown_members([{"foo": 1}] * 1_000)) == 100


def test_no_patch_has_no_unknown_members():
    assert unknown_members(None) == ()


scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab~/", max_size=2)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("ab~/", max_size=2), inner, max_size=3)
    ),
    max_leaves=10,
)
documents = st.dictionaries(st.sampled_from("ab"), values)
steps = st.sampled_from(["a", "b", "0", "1", "-1", "-", "", "~0", "~1"])
paths = st.lists(steps, max_size=3).map(lambda each: "".join(f"/{step}" for step in each))
operations = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]),
        "path": paths,
        "from": paths,
        "value": values,
    }
)


def outcome(target, patch):
    """Return the object after a patch, or None where it does not fit, or nothing is left to patch."""
    if target is None:
        return None
    try:
        return json_patch(target, patch)
    except UnfitPatchError:
        return None


@given(documents, st.lists(operations, max_size=5))
def test_neither_side_ever_changes(target, patch):
    before = copy.deepcopy((target, patch))

    result = outcome(target, patch)
    if patch and isinstance(result, dict):
        result["later"] = 1

    assert (target, patch) == before


@given(documents, st.lists(operations, max_size=3), st.lists(operations, max_size=3))
def test_two_patches_are_one_longer_patch(target, first, second):
    assert outcome(target, first + second) == outcome(outcome(target, first), second)


@given(documents)
def test_every_value_passes_the_test_for_itself(target):
    same = json.loads(json.dumps(target))

    assert json_patch(target, [expect("", same)]) == target


@given(documents, values)
def test_what_is_added_can_be_removed(target, value):
    assert json_patch(target, [add("/new", value), remove("/new")]) == target


@given(documents, values)
def test_what_is_there_can_be_moved_away_and_back(target, value):
    target = target | {"here": value}

    assert json_patch(target, [move("/here", "/there"), move("/there", "/here")]) == target
