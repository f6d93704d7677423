"""What holds for all objects and all applies."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from apiserver.managedfields.fieldset import difference, intersection
from apiserver.managedfields.fieldsv1 import parse_fields
from apiserver.managedfields.ownership import all_fields, applied_fields

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 1, 2, tzinfo=UTC)
IDENTITY = {"name": "a", "namespace": "t"}

short = st.sampled_from(["x", "y", "z"])
labels = st.dictionaries(st.sampled_from("abcdef"), short, min_size=1)
finalizers = st.lists(st.sampled_from(["a", "b", "c", "d"]), unique=True, min_size=1)
owners = st.lists(
    st.fixed_dictionaries({"uid": short, "name": short}), unique_by=lambda each: each["uid"], min_size=1
)  # fmt: skip
filters = st.lists(st.fixed_dictionaries({"protocol": short}), max_size=2)


@st.composite
def captures(draw):
    metadata = st.fixed_dictionaries(
        {}, optional={"labels": labels, "finalizers": finalizers, "ownerReferences": owners}
    )
    spec = st.fixed_dictionaries(
        {}, optional={"selector": short, "filters": filters, "endTime": short}
    )
    return capture(draw(metadata), draw(spec))


def capture(metadata, spec):
    return {
        "apiVersion": "projectcalico.org/v3",
        "kind": "PacketCapture",
        "metadata": {**IDENTITY, **metadata},
        "spec": spec,
    }


def apply(fields, live, config, manager, *, force=True, now=FIRST):
    return fields.apply(live, config, manager=manager, subresource="", force=force, now=now)


def update(fields, live, new, manager):
    return fields.update(live, new, manager=manager, subresource="", now=FIRST)


def owned(document, manager, operation="Apply"):
    """Return what a manager owns."""
    for entry in document["metadata"].get("managedFields", []):
        if (entry["manager"], entry["operation"]) == (manager, operation):
            return parse_fields(entry["fieldsV1"])
    return {}


def content(document):
    """Return an object without its managedFields, and with sets in one order."""
    metadata = {k: v for k, v in document["metadata"].items() if k != "managedFields"}
    for name in ("finalizers", "ownerReferences"):
        if name in metadata:
            metadata[name] = sorted(metadata[name] or [], key=str)
    return {**document, "metadata": metadata}


@given(captures(), captures())
def test_to_apply_again_changes_nothing(fields, created, config):
    live = apply(fields, update(fields, None, created, "u"), config, "m")

    assert apply(fields, live, config, "m", now=LATER) == live
    assert apply(fields, live, config, "m", force=False, now=LATER) == live


@given(captures(), captures())
def test_what_was_applied_is_there(fields, root, created, config):
    live = apply(fields, update(fields, None, created, "u"), config, "m")

    assert not difference(applied_fields(root, config), all_fields(root, live))
    for name, value in config["spec"].items():
        assert live["spec"][name] == value


@given(captures())
def test_managers_of_different_fields_never_conflict(fields, config):
    metadata, spec = config["metadata"], config["spec"]
    one = capture({}, {})
    other = capture({}, {})
    for whole, halves in (
        (metadata, (one["metadata"], other["metadata"])),
        (spec, (one["spec"], other["spec"])),
    ):
        for number, (name, value) in enumerate(sorted(whole.items())):
            if name in IDENTITY:
                continue
            if name == "labels":
                halves[0][name] = {k: v for k, v in value.items() if k < "c"}
                halves[1][name] = {k: v for k, v in value.items() if k >= "c"}
            elif name in {"finalizers", "ownerReferences"}:
                halves[0][name], halves[1][name] = value[::2], value[1::2]
            else:
                halves[number % 2][name] = value

    live = apply(fields, None, one, "one", force=False)
    both = apply(fields, live, other, "other", force=False)
    again = apply(fields, both, one, "one", force=False)

    assert content(both)["spec"] == spec
    assert content(again) == content(both)


@given(captures(), captures(), captures())
def test_who_applies_nothing_takes_away_only_what_nobody_else_owns(
    fields, root, created, mine, theirs
):
    live = update(fields, None, created, "u")
    live = apply(fields, apply(fields, live, mine, "me"), theirs, "they")
    others = [owned(live, "they"), owned(live, "u", "Update")]
    before = applied_fields(root, content(live))

    left = apply(fields, live, capture({}, {}), "me", now=LATER)

    after = applied_fields(root, content(left))
    assert not difference(difference(before, after), owned(live, "me"))
    for theirs_still in others:
        assert not intersection(difference(before, after), theirs_still)
    assert [owned(left, "they"), owned(left, "u", "Update")] == others


@given(captures(), captures())
def test_a_change_is_its_writers_and_nobody_elses(fields, root, created, replaced):
    live = update(fields, None, created, "first")
    new = update(fields, live, replaced, "second")

    assert not intersection(owned(new, "first", "Update"), owned(new, "second", "Update"))
    together = [owned(new, "first", "Update"), owned(new, "second", "Update")]
    leaves = applied_fields(root, {"metadata": {**replaced["metadata"]}, "spec": replaced["spec"]})
    for mine in together:
        leaves = difference(leaves, mine)
    assert not leaves.get("f:spec")
    assert not leaves.get("f:metadata", {}).keys() - {"f:name", "f:namespace"}


@given(captures(), captures())
def test_a_write_that_nobody_applied_before_costs_no_apply_its_fields(fields, config, replaced):
    live = apply(fields, None, config, "m")
    kept = {**live, "spec": {**live["spec"], **replaced["spec"], **config["spec"]}}

    new = update(fields, live, kept, "u")

    assert owned(new, "m") == owned(live, "m")
