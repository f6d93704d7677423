from datetime import UTC, datetime

import pytest

from apiserver.resource.selector.parser import parse
from apiserver.resource.types import CaptureUID, PacketCapture, Spec
from nodeagent.cluster.captureset import CERTAIN_SECONDS, CaptureSet, Sighting

SPEC = Spec(parse("all()"), (), datetime(2026, 1, 2, tzinfo=UTC), None)


def seen(name, uid=None):
    uid = CaptureUID(uid or f"uid-{name}")
    return Sighting("shop", name, uid, PacketCapture("shop", name, uid, 1, SPEC))


A, B = seen("a"), seen("b")
A2 = seen("a", "uid-other")


@pytest.fixture
def captures():
    """Two captures, listed by the store s1 at time 0."""
    known = CaptureSet()
    known.replace([A, B], identity="s1", now=0.0)
    return known


def names(captures):
    return sorted(each.name for each in captures.captures)


def test_before_the_first_list_nothing_is_known():
    assert not CaptureSet().synced
    assert CaptureSet().captures == ()


def test_a_list_is_the_whole_truth_about_what_to_capture(captures):
    captures.replace([A], identity="s1", now=1.0)

    assert names(captures) == ["a"]
    assert captures.synced
    assert captures.identity == "s1"


def test_changes_follow_the_list(captures):
    captures.change(seen("c"))
    captures.delete(A.uid)

    assert names(captures) == ["b", "c"]


def test_what_cannot_be_decoded_is_there_but_not_acted_upon(captures):
    captures.change(Sighting("shop", "a", A.uid, None, "spec.selector: too new"))

    assert names(captures) == ["b"]
    assert [each.problem for each in captures.undecodable] == ["spec.selector: too new"]
    assert captures.gone == frozenset()


def test_a_watched_deletion_is_certain_at_once(captures):
    captures.delete(A.uid)

    assert captures.gone == {A.uid}


def test_another_object_of_the_name_is_a_deletion_too(captures):
    captures.change(A2)

    assert captures.gone == {A.uid}
    assert [each.uid for each in captures.captures if each.name == "a"] == [A2.uid]


def test_another_object_of_the_name_in_a_list_of_the_same_store_is_a_deletion(captures):
    captures.replace([A2, B], identity="s1", now=1.0)

    assert captures.gone == {A.uid}


def test_another_object_of_the_name_in_another_store_proves_nothing(captures):
    captures.replace([A2, B], identity="s2", now=1.0)
    captures.change(A2)

    assert captures.gone == frozenset()


@pytest.mark.parametrize(
    ("answers", "gone"),
    [
        pytest.param([(10, "s1", [])], set(), id="one empty list"),
        pytest.param([(10, "s1", []), (309, "s1", [])], set(), id="not yet five minutes"),
        pytest.param([(10, "s1", []), (310, "s1", [])], {A.uid, B.uid}, id="five minutes"),
        pytest.param([(10, "s1", [B]), (310, "s1", [B])], {A.uid}, id="one of two"),
        pytest.param(
            [(10, "s1", []), (20, "s1", [A, B]), (310, "s1", [])], set(), id="came back between"
        ),
        pytest.param([(10, "s2", []), (900, "s2", [])], set(), id="another store"),
        pytest.param([(10, "", []), (900, "", [])], set(), id="a store without identity"),
        pytest.param(
            [(10, "s1", []), (200, "s2", []), (310, "s1", [])], set(), id="another store between"
        ),
        pytest.param(
            [(10, "s2", []), (20, "s1", []), (320, "s1", [])],
            {A.uid, B.uid},
            id="another store before",
        ),
        pytest.param(
            [(10, "s2", [A, B]), (20, "s2", []), (320, "s2", [])],
            {A.uid, B.uid},
            id="moved to another store and deleted there",
        ),
    ],
)
def test_absence_is_certain_after_five_minutes_of_the_same_store(captures, answers, gone):
    for now, identity, items in answers:
        captures.replace(items, identity=identity, now=float(now))

    assert captures.gone == gone


def test_time_alone_proves_nothing(captures):
    captures.replace([B], identity="s1", now=10.0)

    assert captures.gone == frozenset()
    assert captures.next_check() == 10.0 + CERTAIN_SECONDS


def test_a_check_makes_an_absence_certain_and_changes_nothing_else(captures):
    captures.replace([B], identity="s1", now=10.0)
    captures.change(seen("c"))

    captures.compare([B], identity="s1", now=310.0)

    assert captures.gone == {A.uid}
    assert names(captures) == ["b", "c"]


def test_a_check_that_finds_the_object_begins_anew(captures):
    captures.replace([B], identity="s1", now=10.0)

    captures.compare([A, B], identity="s1", now=310.0)

    assert captures.gone == frozenset()
    assert captures.next_check() is None


@pytest.mark.parametrize(
    ("identity", "gone"),
    [
        pytest.param("s1", {"uid-old"}, id="of this store"),
        pytest.param("s9", set(), id="of another store"),
        pytest.param("", set(), id="of a store that nobody knows"),
    ],
)
def test_trap_36_what_is_remembered_goes_when_its_own_store_is_without_it(identity, gone):
    captures = CaptureSet()
    captures.remember(CaptureUID("uid-old"), identity=identity)

    captures.replace([A], identity="s1", now=0.0)
    captures.replace([A], identity="s1", now=CERTAIN_SECONDS)

    assert captures.gone == gone


def test_what_is_remembered_stays_while_it_is_listed():
    captures = CaptureSet()
    captures.remember(A.uid, identity="s1")

    captures.replace([A], identity="s1", now=0.0)
    captures.replace([A], identity="s1", now=CERTAIN_SECONDS)

    assert captures.gone == frozenset()


def test_what_is_seen_already_is_not_remembered_otherwise(captures):
    captures.remember(A.uid, identity="s9")

    assert captures.identity_of(A.uid) == "s1"


def test_each_object_keeps_the_store_that_it_was_last_seen_in(captures):
    captures.replace([B], identity="s2", now=1.0)

    assert captures.identity_of(A.uid) == "s1"
    assert captures.identity_of(B.uid) == "s2"
    assert captures.identity_of(CaptureUID("nobody")) == ""


def test_what_is_forgotten_is_no_longer_gone(captures):
    captures.delete(A.uid)

    captures.forget(A.uid)

    assert captures.gone == frozenset()


def test_what_exists_is_not_forgotten(captures):
    captures.forget(A.uid)

    captures.replace([], identity="s1", now=1.0)

    assert captures.next_check() is not None
