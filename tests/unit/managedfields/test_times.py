"""Writes that change nothing but times."""

import pytest

from apiserver.managedfields.times import same_but_for_times


def document(*entries, **spec):
    return {"metadata": {"name": "a", "managedFields": list(entries)}, "spec": spec}


def entry(name, time):
    return {"manager": name, "time": time}


@pytest.mark.parametrize(
    ("new", "old", "is_same"),
    [
        pytest.param(document(), document(), True, id="equal"),
        pytest.param(
            document(entry("a", 2), entry("b", 1)),
            document(entry("a", 1), {"manager": "b"}),
            True,
            id="other times",
        ),
        pytest.param(document(entry("a", 2)), document(entry("b", 1)), False, id="other managers"),
        pytest.param(
            document(entry("a", 1), entry("b", 2)),
            document(entry("b", 1), entry("a", 2)),
            False,
            id="another order",
        ),
        pytest.param(document(entry("a", 1)), document(), False, id="more managers"),
        pytest.param(
            document(entry("a", 2), x=1), document(entry("a", 1)), False, id="other spec"
        ),
        pytest.param(document(x=1), document(), False, id="nobody, other spec"),
        pytest.param(document("x"), document("y"), False, id="what are no entries"),
        pytest.param({}, document(entry("a", 1)), False, id="no metadata"),
    ],
)
def test_objects_are_the_same_but_for_times(new, old, is_same):
    assert same_but_for_times(new, old) is is_same


def test_other_metadata_is_a_difference():
    old = document(entry("a", 1))
    new = {**old, "metadata": {**old["metadata"], "labels": {"a": "b"}}}

    assert not same_but_for_times(new, old)
