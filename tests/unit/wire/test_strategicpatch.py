"""Strategic merge patch does what apimachinery's does."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.jsontypes import JsonObject
from apiserver.wire.mergepatch import merge_patch
from apiserver.wire.metaschema import OBJECT_META
from apiserver.wire.patcherrors import MalformedPatchError, UnfitPatchError
from apiserver.wire.strategicpatch import strategic_merge_patch

STRING: JsonObject = {"type": "string"}
STRUCT: JsonObject = {"type": "object", "properties": {"a": STRING, "b": STRING}}
ITEM: JsonObject = {
    "type": "object",
    "properties": {
        "name": STRING,
        "value": STRING,
        "struct": STRUCT,
        "tags": {"type": "array", "items": STRING, "x-kubernetes-list-type": "set"},
    },
}
SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "metadata": OBJECT_META,
        "items": {
            "type": "array",
            "items": ITEM,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
        "tagged": {
            "type": "array",
            "items": ITEM,
            "x-kubernetes-patch-strategy": "merge",
            "x-kubernetes-patch-merge-key": "name",
        },
        "keyless": {"type": "array", "items": ITEM, "x-kubernetes-patch-strategy": "merge"},
        "replaced": {
            "type": "array",
            "items": ITEM,
            "x-kubernetes-patch-strategy": "replace",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
        "pairs": {
            "type": "array",
            "items": ITEM,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name", "value"],
        },
        "atoms": {"type": "array", "items": ITEM, "x-kubernetes-list-type": "atomic"},
        "plain": {"type": "array", "items": STRING},
        "set": {"type": "array", "items": STRING, "x-kubernetes-list-type": "set"},
        "struct": STRUCT,
        "whole": STRUCT | {"x-kubernetes-patch-strategy": "replace"},
    },
}


def patched(target, patch):
    return strategic_merge_patch(target, patch, SCHEMA)


def named(names):
    return [{"name": each} for each in names]


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        pytest.param({"a": 1}, {"b": 2}, {"a": 1, "b": 2}, id="add"),
        pytest.param({"a": 1, "b": 2}, {"a": None}, {"b": 2}, id="null deletes"),
        pytest.param({}, {"a": None}, {}, id="null of nothing"),
        pytest.param({}, {"struct": {"a": None, "b": "x"}}, {"struct": {"b": "x"}}, id="inner null"),
        pytest.param({"struct": {"a": "x"}}, {"struct": {"b": "y"}},
                     {"struct": {"a": "x", "b": "y"}}, id="objects are merged"),
        pytest.param({"whole": {"a": "x"}}, {"whole": {"b": "y"}}, {"whole": {"b": "y"}},
                     id="but not where the schema says replace"),
        pytest.param({"unknown": {"a": 1}}, {"unknown": {"b": 2}}, {"unknown": {"a": 1, "b": 2}},
                     id="objects that no schema knows"),
        pytest.param({"struct": {"a": "x"}}, {"struct": "y"}, {"struct": "y"}, id="another type"),
        pytest.param({"a": "x"}, {"a": [1, None]}, {"a": [1, None]}, id="a list for a string"),
        pytest.param({"struct": {"a": "x"}}, {"struct": {"$patch": "replace", "b": "y"}},
                     {"struct": {"b": "y"}}, id="replace an object"),
        pytest.param({"struct": {"a": "x"}}, {"struct": {"$patch": "delete"}}, {"struct": {}},
                     id="empty an object"),
        pytest.param({}, {"struct": {"$patch": "replace", "b": "y"}}, {},
                     id="a directive for what is not there"),
        pytest.param({"struct": "x"}, {"struct": {"$patch": "delete"}}, {},
                     id="a directive for another type"),
        pytest.param({"struct": {}}, {"struct": {"a": {"$patch": "delete"}}}, {"struct": {}},
                     id="a directive deep inside"),
        pytest.param({}, {"struct": {"a": {"$patch": "delete"}, "b": "y"}}, {"struct": {"b": "y"}},
                     id="a directive inside of what is new"),
        pytest.param({"a": 1}, {"$patch": "delete"}, {}, id="delete everything"),
        pytest.param({"a": 1}, {"$patch": "replace", "b": 2}, {"b": 2}, id="replace everything"),
        pytest.param({"struct": {"a": "x", "b": "y"}}, {"struct": {"$retainKeys": ["b"], "b": "z"}},
                     {"struct": {"b": "z"}}, id="retain keys"),
        pytest.param({"struct": {"a": "x", "b": "y"}}, {"struct": {"$retainKeys": []}},
                     {"struct": {}}, id="retain nothing"),
        pytest.param({"struct": {"a": "x", "b": "y"}}, {"struct": {"$retainKeys": ["b"], "a": None}},
                     {"struct": {"b": "y"}}, id="a null need not be retained"),
    ],
)  # fmt: skip
def test_objects(target, patch, result):
    assert patched(target, patch) == result


@pytest.mark.parametrize(
    ("before", "changes", "after"),
    [
        pytest.param("ab", named("c"), "cab", id="new items come first"),
        pytest.param("abc", named("b"), "abc", id="the order before decides between both"),
        pytest.param("abcd", named("db"), "acdb", id="the patch's order is kept"),
        pytest.param("abc", [{"name": "b", "$patch": "delete"}], "ac", id="delete"),
        pytest.param(
            "ab", [{"name": "z", "$patch": "delete"}], "ab", id="delete what is not there"
        ),
        pytest.param("ab", [{"$patch": "replace"}, *named("c")], "c", id="replace"),
        pytest.param("ab", [{"$patch": "replace"}], "", id="replace by nothing"),
        pytest.param("ab", [], "ab", id="nothing"),
        pytest.param("", named("ab"), "ab", id="into nothing"),
        pytest.param("abab", [{"name": "a", "$patch": "delete"}], "bb", id="delete all of a name"),
    ],
)
@pytest.mark.parametrize("field", ["items", "tagged"])
def test_lists_with_a_key(field, before, changes, after):
    result = patched({field: named(before)}, {field: changes})

    assert result == {field: named(after)}


def test_items_of_one_key_are_merged():
    old = {"items": [{"name": "a", "value": "1", "tags": ["x"], "struct": {"a": "1"}}]}
    patch = {"items": [{"name": "a", "value": None, "tags": ["y"], "struct": {"b": "2"}}]}

    result = patched(old, patch)

    assert result["items"] == [{"name": "a", "tags": ["y", "x"], "struct": {"a": "1", "b": "2"}}]


def test_directives_inside_of_items_count():
    old = {"items": [{"name": "a", "tags": ["x", "y"], "struct": {"a": "1", "b": "2"}}]}
    item = {
        "name": "a",
        "$deleteFromPrimitiveList/tags": ["x"],
        "struct": {"$retainKeys": ["b"]},
    }

    result = patched(old, {"items": [item]})

    assert result["items"] == [{"name": "a", "tags": ["y"], "struct": {"b": "2"}}]


@pytest.mark.parametrize(
    ("before", "patch", "after"),
    [
        pytest.param("ab", {"set": ["c"]}, "cab", id="new values come first"),
        pytest.param("ab", {"set": ["b", "b"]}, "ab", id="a value is there once"),
        pytest.param("aab", {"set": ["c"]}, "cab", id="now it is"),
        pytest.param("abc", {"set": ["c", "a"]}, "bca", id="the patch's order"),
        pytest.param("abc", {"$deleteFromPrimitiveList/set": ["b", "z"]}, "ac", id="delete"),
        pytest.param("abc", {"$deleteFromPrimitiveList/set": None, "other": 1}, None, id="delete all"),
        pytest.param("ab", {"set": ["c"], "$deleteFromPrimitiveList/set": ["a"]}, "cb",
                     id="add and delete"),
        pytest.param("ab", {"$setElementOrder/set": ["b", "a"]}, "ba", id="reorder"),
        pytest.param("abc", {"$setElementOrder/set": ["c", "a"]}, "bca", id="reorder some"),
        pytest.param("ab", {"$setElementOrder/set": ["a", "c", "b"], "set": ["c"]}, "acb",
                     id="put a new one between"),
        pytest.param("ab", {"$setElementOrder/set": []}, "ab", id="no order"),
        pytest.param("", {"$setElementOrder/set": ["a"]}, "", id="nothing to order"),
        pytest.param("abc", {"$setElementOrder/set": ["c", "a"], "set": ["c"],
                             "$deleteFromPrimitiveList/set": ["b"]}, "ca", id="all that kubectl does"),
    ],
)  # fmt: skip
def test_sets(before, patch, after):
    result = patched({"set": list(before)}, patch)

    assert result.get("set") == (None if after is None else list(after))


@pytest.mark.parametrize(
    ("old", "patch", "new"),
    [
        pytest.param({"atoms": named("ab")}, {"atoms": named("c")}, {"atoms": named("c")}, id="atomic"),
        pytest.param({"plain": ["a"]}, {"plain": ["b"]}, {"plain": ["b"]}, id="of no said type"),
        pytest.param({"pairs": named("ab")}, {"pairs": named("c")}, {"pairs": named("c")},
                     id="with two keys"),
        pytest.param({"replaced": named("ab")}, {"replaced": named("c")}, {"replaced": named("c")},
                     id="the patch strategy is asked first"),
        pytest.param({"plain": ["a", "b"]}, {"$deleteFromPrimitiveList/plain": ["a"]},
                     {"plain": ["b"]}, id="but values can be deleted"),
        pytest.param({"plain": ["a", "b"]}, {"$setElementOrder/plain": ["b", "a"]},
                     {"plain": ["b", "a"]}, id="and ordered"),
        pytest.param({}, {"$deleteFromPrimitiveList/plain": ["a"]}, {}, id="if there are any"),
        pytest.param({"plain": "a"}, {"$deleteFromPrimitiveList/plain": ["a"]}, {"plain": "a"},
                     id="and it is a list"),
        pytest.param({}, {"$setElementOrder/plain": ["a"]}, {}, id="an order for no list"),
        pytest.param({}, {"$setElementOrder/set": ["b", "a"], "set": ["b", "a"]},
                     {"set": ["b", "a"]}, id="an order for a new list"),
    ],
)  # fmt: skip
def test_other_lists_are_replaced(old, patch, new):
    assert patched(old, patch) == new


OWNERS = [{"uid": "1", "name": "a"}, {"uid": "2", "name": "b"}]


@pytest.mark.parametrize(
    ("patch", "metadata"),
    [
        pytest.param(
            {"uid": "u", "ownerReferences": [{"$patch": "delete", "uid": "1"}]},
            {"uid": "u", "ownerReferences": OWNERS[1:], "finalizers": ["a/b", "c/d"]},
            id="the garbage collector removes an owner",
        ),
        pytest.param(
            {"$setElementOrder/finalizers": ["c/d"], "$deleteFromPrimitiveList/finalizers": ["a/b"]},
            {"uid": "u", "ownerReferences": OWNERS, "finalizers": ["c/d"]},
            id="kubectl edit removes a finalizer",
        ),
        pytest.param(
            {"$setElementOrder/finalizers": ["a/b", "e/f", "c/d"], "finalizers": ["e/f"]},
            {"uid": "u", "ownerReferences": OWNERS, "finalizers": ["a/b", "e/f", "c/d"]},
            id="kubectl edit adds one",
        ),
        pytest.param(
            {"finalizers": None},
            {"uid": "u", "ownerReferences": OWNERS},
            id="kubectl patch removes all",
        ),
        pytest.param(
            {"labels": {"app": "x", "old": None}},
            {"uid": "u", "ownerReferences": OWNERS, "finalizers": ["a/b", "c/d"], "labels": {"app": "x"}},
            id="kubectl label",
        ),
    ],
)  # fmt: skip
def test_what_clients_do_to_metadata(patch, metadata):
    old = {"uid": "u", "ownerReferences": OWNERS, "finalizers": ["a/b", "c/d"]}

    assert patched({"metadata": old}, {"metadata": patch}) == {"metadata": metadata}


@pytest.mark.parametrize(
    ("old", "patch", "problem"),
    [
        pytest.param({}, {"$patch": "merge"}, "unknown patch type: merge in map", id="$patch: merge"),
        pytest.param({"struct": {}}, {"struct": {"$patch": 5}}, "unknown patch type: 5", id="number"),
        pytest.param({"items": named("a")}, {"items": [{"name": "a", "$patch": "merge"}]},
                     "merging lists cannot yet be specified", id="merge in a list"),
        pytest.param({"items": named("a")}, {"items": [{"name": "a", "$patch": "x"}]},
                     "unknown patch type: x", id="another directive in a list"),
        pytest.param({"items": named("a")}, {"items": [{"$patch": "delete"}]},
                     "does not contain declared merge key: name", id="delete without a key"),
        pytest.param({"items": named("a")}, {"items": [{"value": "1"}]},
                     "does not contain declared merge key: name", id="an item without a key"),
        pytest.param({"items": [{"value": "1"}]}, {"items": named("a")},
                     "does not contain declared merge key: name", id="an old item without a key"),
        pytest.param({"items": named("a")}, {"items": [{"name": {}}]}, "cannot merge lists by",
                     id="a key that is an object"),
        pytest.param({"items": named("a")}, {"items": ["a"]}, "types are not identical", id="scalars"),
        pytest.param({"keyless": named("a")}, {"keyless": named("a")}, "cannot merge lists",
                     id="objects without a key to merge them by"),
        pytest.param({"set": ["a"]}, {"set": [1]}, "types are not identical", id="types mixed"),
        pytest.param({}, {"$retainKeys": 5}, "invalid patch format of retainKeys", id="retainKeys"),
        pytest.param({}, {"$retainKeys": ["a"], "b": 1}, "invalid patch format of retainKeys",
                     id="a key that is not retained"),
        pytest.param({}, {"$setElementOrder/set": 5}, "format of setElementOrder", id="order"),
        pytest.param({}, {"$setElementOrder": []}, "format of setElementOrder", id="no list named"),
        pytest.param({}, {"$setElementOrders/set": []}, "format of setElementOrder", id="misspelt"),
        pytest.param({"set": "x"}, {"$setElementOrder/set": []}, "format of setElementOrder",
                     id="an order for no list"),
        pytest.param({}, {"$setElementOrder/set": ["a", "b"], "set": ["b", "a"]},
                     "The order in patch list", id="another order"),
        pytest.param({}, {"$setElementOrder/items": named("a"), "items": named("b")},
                     "The order in patch list", id="an item that is not in the order"),
        pytest.param({"set": ["a"]}, {"$deleteFromPrimitiveList/set": 5}, "format of primitive list",
                     id="delete"),
        pytest.param({}, {"$deleteFromPrimitiveList": []}, "format of primitive list",
                     id="delete from no list"),
    ],
)  # fmt: skip
def test_patches_that_make_no_sense(old, patch, problem):
    with pytest.raises(MalformedPatchError, match=problem):
        patched(old, patch)


def test_lists_of_lists_do_not_fit():
    with pytest.raises(UnfitPatchError, match="lists of lists"):
        patched({"set": ["a"]}, {"set": [["a"]]})


names = st.lists(st.sampled_from("abcdef"), unique=True)
texts = st.sampled_from("xyz")
structs = st.dictionaries(st.sampled_from("ab"), texts)
items = names.flatmap(
    lambda each: st.tuples(
        *(
            st.fixed_dictionaries(
                {"name": st.just(name)},
                optional={"value": texts, "struct": structs, "tags": names},
            )
            for name in each
        )
    ).map(list)
)
objects = st.fixed_dictionaries(
    {},
    optional={
        "items": items,
        "atoms": items,
        "set": names,
        "plain": names,
        "struct": structs,
        "whole": structs,
    },
)


@given(objects, objects)
def test_neither_side_ever_changes(target, patch):
    before = copy.deepcopy((target, patch))

    patched(target, patch)

    assert (target, patch) == before


@given(objects, objects)
def test_a_second_time_changes_nothing(target, patch):
    once = patched(target, patch)

    assert patched(once, patch) == once


@given(objects, objects)
def test_without_merged_lists_it_is_a_merge_patch(target, patch):
    for each in (target, patch):
        each.pop("items", None)
        each.pop("set", None)
        each.pop("whole", None)

    assert patched(target, patch) == merge_patch(target, patch)


@given(names, names)
def test_a_set_holds_what_was_there_and_what_is_new_each_in_its_order(old, new):
    result = patched({"set": old}, {"set": new})["set"]

    assert sorted(result) == sorted({*old, *new})
    assert [each for each in result if each in new] == new
    assert [each for each in result if each not in new] == [
        each for each in old if each not in new
    ]


@given(items, st.sets(st.sampled_from("abcdef")))
def test_deleted_items_are_gone_and_the_others_as_they_were(old, unwanted):
    changes = [{"name": each, "$patch": "delete"} for each in sorted(unwanted)]

    result = patched({"items": old}, {"items": changes})["items"]

    assert result == [each for each in old if each["name"] not in unwanted]


@given(names, st.data())
def test_a_whole_order_is_followed(old, data):
    order = data.draw(st.permutations(old))

    result = patched({"items": named(old)}, {"$setElementOrder/items": named(order)})["items"]

    assert result == named(order)
