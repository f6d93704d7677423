"""Tracking of writes, and applies, as the registry asks for them."""

from datetime import UTC, datetime

import pytest

from apiserver.managedfields.errors import (
    ConflictError,
    ManagedFieldsGivenError,
    TypedError,
    UntrackableError,
)
from apiserver.managedfields.lastapplied import ANNOTATION

V3 = "projectcalico.org/v3"
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def update(fields):
    def updated(live, new, manager="u", *, subresource="", now=FIRST):
        return fields.update(live, new, manager=manager, subresource=subresource, now=now)

    return updated


@pytest.fixture
def apply(fields):
    def applied(live, config, manager="m", *, subresource="", force=False, now=FIRST):
        return fields.apply(
            live, config, manager=manager, subresource=subresource, force=force, now=now
        )

    return applied


def capture(*, metadata=None, **members):
    """Return a PacketCapture as it is sent."""
    named = {"name": "a", "namespace": "t", **(metadata or {})}
    return {"apiVersion": V3, "kind": "PacketCapture", "metadata": named, **members}


def owners(document):
    """Return what each entry owns, by its manager and operation."""
    entries = document["metadata"].get("managedFields", [])
    return {(each["manager"], each["operation"]): each["fieldsV1"] for each in entries}


def times(document):
    entries = document["metadata"].get("managedFields", [])
    return {(each["manager"], each["operation"]): each.get("time") for each in entries}


def with_entries(document, entries):
    return {**document, "metadata": {**document["metadata"], "managedFields": entries}}


def test_a_create_is_tracked_without_identity(update):
    sent = capture(metadata={"labels": {"a": "1"}, "uid": "u"}, spec={"selector": "all()"})

    created = update(None, sent)

    assert created["metadata"]["managedFields"] == [
        {
            "manager": "u",
            "operation": "Update",
            "apiVersion": V3,
            "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
                "f:spec": {".": {}, "f:selector": {}},
            },
        }
    ]


def test_a_create_with_nothing_to_track_has_no_managed_fields(update):
    assert update(None, capture()) == capture()


def test_a_create_may_bring_entries_of_others(update):
    (theirs,) = update(None, capture(spec={}), "them")["metadata"]["managedFields"]

    created = update(None, with_entries(capture(spec={"selector": "x"}), [theirs]))

    assert set(owners(created)) == {("u", "Update")}, "what is set now is theirs no more"


def test_the_writer_of_a_change_takes_it_over(update):
    live = update(None, capture(spec={"selector": "a", "endTime": "x"}), "first")

    new = update(live, {**live, "spec": {"selector": "b", "endTime": "x"}}, now=SECOND)

    assert owners(new) == {
        ("first", "Update"): {"f:spec": {".": {}, "f:endTime": {}}},
        ("u", "Update"): {"f:spec": {"f:selector": {}}},
    }
    assert times(new) == {
        ("first", "Update"): "2026-01-01T00:00:00Z",
        ("u", "Update"): "2026-01-02T00:00:00Z",
    }


def test_a_pure_removal_renews_no_time(update):
    live = update(None, capture(spec={"selector": "a", "endTime": "x"}))

    new = update(live, {**live, "spec": {"selector": "a"}}, now=SECOND)

    assert owners(new) == {("u", "Update"): {"f:spec": {".": {}, "f:selector": {}}}}
    assert times(new) == {("u", "Update"): "2026-01-01T00:00:00Z"}


def test_a_write_without_change_keeps_the_entries(update):
    live = update(None, capture(spec={"selector": "a"}))

    assert update(live, capture(spec={"selector": "a"}), "other", now=SECOND) == live


def test_a_write_to_an_endpoint_does_not_own_what_it_cannot_set(update):
    live = update(None, capture(spec={"selector": "a"}))
    sent = {**live, "spec": {"selector": "b"}, "status": {"packets": 1}}

    through_status = update(live, sent, "agent", subresource="status")
    through_main = update(live, sent, "user")

    assert owners(through_status)["agent", "Update"] == {"f:status": {".": {}, "f:packets": {}}}
    assert through_status["metadata"]["managedFields"][0]["subresource"] == "status"
    assert owners(through_main)["user", "Update"] == {"f:spec": {"f:selector": {}}}


@pytest.mark.parametrize("reset", [[{}], []])
def test_entries_can_be_reset_and_then_nothing_is_tracked_until_the_next_apply(
    update, apply, reset
):
    live = update(None, capture(spec={"selector": "a"}))

    forgotten = update(live, with_entries({**live, "spec": {"selector": "b"}}, reset))
    later = update(forgotten, {**forgotten, "spec": {"selector": "c"}})
    again = apply(later, capture(spec={"endTime": "x"}), now=SECOND)

    assert owners(forgotten) == owners(later) == {}
    assert owners(again) == {
        ("m", "Apply"): {"f:spec": {"f:endTime": {}}},
        ("before-first-apply", "Update"): {"f:spec": {".": {}, "f:selector": {}}},
    }


def test_a_create_that_resets_is_tracked(update):
    assert set(owners(update(None, with_entries(capture(spec={}), [{}])))) == {("u", "Update")}


def test_what_status_says_of_entries_is_ignored(update):
    live = update(None, capture(spec={"selector": "a"}))

    assert update(live, with_entries(live, [{}]), "agent", subresource="status") == live


@pytest.mark.parametrize(
    "given",
    [
        pytest.param([{"manager": "x"}], id="not decodable"),
        pytest.param("x", id="no list"),
        pytest.param(None, id="null"),
    ],
)
def test_entries_that_cannot_be_read_leave_the_stored_ones(update, given):
    live = update(None, capture(spec={"selector": "a"}))

    new = update(live, with_entries({**live, "spec": {"selector": "b"}}, given), "v")

    assert owners(new) == {
        ("u", "Update"): {"f:spec": {}},
        ("v", "Update"): {"f:spec": {"f:selector": {}}},
    }


def test_valid_entries_of_a_request_are_taken_as_they_are(update):
    live = update(None, capture(spec={"selector": "a"}), "kubectl-client-side-apply")
    (entry,) = live["metadata"]["managedFields"]
    folded = [{**entry, "manager": "kubectl", "operation": "Apply"}]

    assert update(live, with_entries(live, folded))["metadata"]["managedFields"] == folded


def test_entries_of_a_version_that_is_none_go_with_the_next_change(update):
    live = update(None, capture(spec={"selector": "a"}))
    (entry,) = live["metadata"]["managedFields"]
    old = with_entries(live, [entry, {**entry, "apiVersion": "projectcalico.org/v2"}])

    new = update(old, {**old, "spec": {"selector": "a", "endTime": "x"}})

    assert [each["apiVersion"] for each in new["metadata"]["managedFields"]] == [V3]


def test_what_cannot_be_tracked_leaves_the_entries_as_they_were(update):
    live = update(None, capture(spec={"selector": "a"}))
    nameless = {**live, "status": {"files": [{"state": "S"}]}}

    new = update(live, nameless, subresource="status")

    assert owners(new) == owners(live)
    assert new["status"] == nameless["status"]


def test_after_ten_updaters_the_oldest_become_ancient_changes(update):
    document = update(None, capture(metadata={"labels": {}}))
    for number in range(15):
        labels = {**document["metadata"].get("labels", {}), f"l{number}": "x"}
        new = {**document, "metadata": {**document["metadata"], "labels": labels}}
        document = update(document, new, f"u{number:02}", now=FIRST.replace(minute=number))

    assert len(owners(document)) == 10
    assert owners(document)["ancient-changes", "Update"]["f:metadata"]["f:labels"].keys() == {
        ".", *(f"f:l{number}" for number in range(6)),
    }  # fmt: skip


def test_an_apply_creates(apply):
    created = apply(None, capture(spec={"selector": "a"}))

    assert created == with_entries(
        capture(spec={"selector": "a"}), created["metadata"]["managedFields"]
    )
    assert owners(created) == {("m", "Apply"): {"f:spec": {"f:selector": {}}}}
    assert times(created) == {("m", "Apply"): "2026-01-01T00:00:00Z"}


def test_an_apply_of_nothing_owns_nothing(apply):
    assert apply(None, capture()) == capture()


def test_who_applies_what_is_there_owns_it_too_but_has_set_it_at_no_time(apply):
    live = apply(None, capture(spec={"selector": "a"}), "m1")

    shared = apply(live, capture(spec={"selector": "a"}), "m2")
    left = apply(shared, capture(spec={}), "m1")
    gone = apply(left, capture(spec={}), "m2", now=SECOND)

    assert times(shared) == {("m1", "Apply"): "2026-01-01T00:00:00Z", ("m2", "Apply"): None}
    assert left["spec"] == {"selector": "a"}
    assert gone["spec"] == {}
    assert times(gone)["m2", "Apply"] == "2026-01-02T00:00:00Z"


def test_a_conflict_names_managers_and_fields(update, apply):
    live = update(None, capture(spec={"selector": "a"}), "upd")

    with pytest.raises(ConflictError) as caught:
        apply(live, capture(spec={"selector": "b"}))

    assert str(caught.value) == (
        "Apply failed with 1 conflict: "
        'conflict with "upd" using projectcalico.org/v3: .spec.selector'
    )
    (conflict,) = caught.value.conflicts
    assert conflict.message == 'conflict with "upd" using projectcalico.org/v3'
    assert conflict.field == ".spec.selector"


def test_conflicts_are_sorted_by_manager_and_path(update, apply):
    live = apply(None, capture(spec={"selector": "a"}), "m1")
    labelled = capture(metadata={"labels": {"l": "1"}}, spec={"filters": []})
    live = apply(live, labelled, "m2")
    live = update(live, {**live, "spec": {**live["spec"], "startTime": "x"}}, "u")
    config = capture(
        metadata={"labels": {"l": "2"}},
        spec={"selector": "b", "filters": [{}], "startTime": "y"},
    )

    with pytest.raises(ConflictError) as caught:
        apply(live, config)

    assert str(caught.value) == (
        'Apply failed with 4 conflicts: conflicts with "m1":\n- .spec.selector\n'
        'conflicts with "m2":\n- .metadata.labels.l\n- .spec.filters\n'
        'conflicts with "u" using projectcalico.org/v3:\n- .spec.startTime'
    )


def test_force_takes_the_fields(apply):
    live = apply(None, capture(spec={"selector": "a", "endTime": "x"}), "m1")

    taken = apply(live, capture(spec={"selector": "b"}), "m2", force=True)

    assert taken["spec"] == {"selector": "b", "endTime": "x"}
    assert owners(taken) == {
        ("m1", "Apply"): {"f:spec": {"f:endTime": {}}},
        ("m2", "Apply"): {"f:spec": {"f:selector": {}}},
    }


def test_an_apply_to_status_owns_status_only(apply):
    live = apply(None, capture(spec={"selector": "a"}))
    config = capture(spec={"selector": "b"}, status={"packets": 1})

    through_status = apply(live, config, "agent", subresource="status")
    through_main = apply(None, config)

    assert owners(through_status)["agent", "Apply"] == {"f:status": {"f:packets": {}}}
    assert owners(through_main) == {("m", "Apply"): {"f:spec": {"f:selector": {}}}}


def test_the_first_apply_to_status_leaves_what_it_cannot_own_to_nobody(apply):
    live = capture(spec={"selector": "a"}, status={"packets": 1})

    applied = apply(live, capture(status={"bytes": 2}), subresource="status")

    assert owners(applied) == {
        ("m", "Apply"): {"f:status": {"f:bytes": {}}},
        ("before-first-apply", "Update"): {"f:status": {".": {}, "f:packets": {}}},
    }


def test_stored_entries_that_cannot_be_read_are_begun_anew_by_an_apply(apply):
    live = with_entries(capture(spec={"selector": "a"}), [{"manager": "?"}])

    assert ("before-first-apply", "Update") in owners(apply(live, capture(spec={"endTime": "x"})))


def test_what_is_applied_must_not_say_who_owns_it(apply):
    with pytest.raises(ManagedFieldsGivenError, match=r"^metadata.managedFields must be nil$"):
        apply(None, with_entries(capture(), []))

    assert apply(None, with_entries(capture(), None)) == capture()


def test_what_is_applied_must_be_of_its_type(apply):
    with pytest.raises(TypedError) as one:
        apply(None, capture(spec={"bogus": 1}))
    with pytest.raises(TypedError) as two:
        apply(None, capture(spec={"a": 1, "b": 2}))

    subject = "failed to create typed patch object (t/a; projectcalico.org/v3, Kind=PacketCapture)"
    assert str(one.value) == f"{subject}: .spec.bogus: field not declared in schema"
    assert str(two.value) == (
        f"{subject}: errors:\n  .spec.a: field not declared in schema\n"
        "  .spec.b: field not declared in schema"
    )


def test_not_all_of_a_million_mistakes_are_told(apply):
    with pytest.raises(TypedError) as caught:
        apply(None, capture(spec={f"x{number}": 1 for number in range(1000)}))

    assert len(caught.value.problems) == 100


def test_an_apply_to_an_object_that_is_stored_without_its_keys_is_refused(apply):
    live = capture(status={"files": [{"state": "S"}]})

    with pytest.raises(UntrackableError):
        apply(live, capture(status={"files": [{"node": "n"}]}), subresource="status")


def test_documents_are_not_changed(update, apply):
    live = update(None, capture(metadata={"labels": {"a": "1"}}, spec={"selector": "a"}))
    config = capture(metadata={"labels": {"b": "1"}}, spec={"selector": "b"})
    before = repr((live, config))

    apply(live, config, force=True)
    update(live, config)

    assert repr((live, config)) == before


class TestMigrationFromClientSideApply:
    LAST = (
        '{"apiVersion":"projectcalico.org/v3","kind":"PacketCapture","metadata":{"annotations":{},'
        '"name":"a","namespace":"t"},"spec":{"selector":"a","endTime":"x"}}'
    )

    @pytest.fixture
    def live(self, update):
        sent = capture(
            metadata={"annotations": {ANNOTATION: self.LAST}},
            spec={"selector": "a", "endTime": "x"},
        )
        return update(None, sent, "kubectl-client-side-apply")

    def test_kubectl_has_no_conflict_with_what_it_applied(self, live, apply):
        applied = apply(live, capture(spec={"selector": "b", "endTime": "x"}), "kubectl")

        assert applied["spec"] == {"selector": "b", "endTime": "x"}
        assert owners(applied)["kubectl", "Apply"] == {
            "f:spec": {"f:endTime": {}, "f:selector": {}}
        }

    def test_the_annotation_says_what_was_applied_now(self, live, apply):
        config = capture(
            metadata={"annotations": {ANNOTATION: "old", "b": "<&>"}}, spec={"selector": "b"}
        )

        applied = apply(live, config, "kubectl", force=True)

        assert applied["metadata"]["annotations"] == {
            "b": "<&>",
            ANNOTATION: (
                '{"apiVersion":"projectcalico.org/v3","kind":"PacketCapture","metadata":'
                r'{"annotations":{"b":"\u003c\u0026\u003e"},"name":"a","namespace":"t"},'
                '"spec":{"selector":"b"}}\n'
            ),
        }

    def test_an_object_without_the_annotation_gets_none(self, apply):
        config = capture(spec={"selector": "b"})

        assert "annotations" not in apply(None, config, "kubectl")["metadata"]

    def test_an_annotation_that_would_be_too_long_goes(self, live, apply):
        config = capture(metadata={"annotations": {"b": "x" * 140_000}})

        applied = apply(live, config, "kubectl")

        assert list(applied["metadata"]["annotations"]) == ["b"]

    def test_what_others_have_changed_since_is_a_conflict(self, live, update, apply):
        live = update(live, {**live, "spec": {"selector": "z", "endTime": "x"}}, "edit")

        with pytest.raises(ConflictError) as caught:
            apply(live, capture(spec={"selector": "b", "endTime": "y"}), "kubectl")

        assert [each.field for each in caught.value.conflicts] == [".spec.selector"]

    def test_it_is_for_kubectl_alone(self, live, apply):
        with pytest.raises(ConflictError):
            apply(live, capture(spec={"selector": "b"}), "other")

    @pytest.mark.parametrize(
        "annotation",
        [
            pytest.param("", id="none"),
            pytest.param("{", id="no JSON"),
            pytest.param("[]", id="no object"),
            pytest.param(LAST.replace("PacketCapture", ""), id="no kind"),
            pytest.param(LAST.replace("v3", "v2"), id="another version"),
            pytest.param(LAST.replace("endTime", "bogus"), id="unknown fields"),
        ],
    )
    def test_an_annotation_of_no_use_proves_nothing(self, live, update, apply, annotation):
        annotated = {**live["metadata"], "annotations": {ANNOTATION: annotation}}
        live = update(live, {**live, "metadata": annotated}, "kubectl")

        with pytest.raises(ConflictError):
            apply(live, capture(spec={"selector": "b"}), "kubectl")
