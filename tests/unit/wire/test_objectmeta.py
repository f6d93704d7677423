"""Metadata on create, update and delete: what the server owns and what requests must say."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from apiserver.jsontypes import JsonObject, JsonValue
from apiserver.wire import preconditions
from apiserver.wire.deleteoptions import DeleteOptions, Propagation
from apiserver.wire.deletion import (
    finalizers_after,
    is_finished,
    is_terminating,
    mark_terminating,
)
from apiserver.wire.objectmeta import (
    prepare_create,
    prepare_update,
    render_time,
    require_no_resource_version,
    require_scope,
    resource_version_in,
    with_next_generation,
)
from apiserver.wire.resources import Resource
from apiserver.wire.status import ApiError

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
THINGS = Resource("g.io", "v1", "things", "thing", "Thing", "ThingList", ("create",))
OLD: JsonObject = {
    "name": "a", "namespace": "n", "uid": "u", "resourceVersion": "7", "generation": 3,
    "creationTimestamp": "2026-01-01T00:00:00Z",
}  # fmt: skip


def created(metadata):
    return prepare_create(metadata, namespace="n", uid="u", now=NOW, name_suffix="bcdfg")


def refused(function, *arguments, **named) -> ApiError:
    with pytest.raises(ApiError) as caught:
        function(*arguments, **named)
    return caught.value


def test_times_are_utc_in_whole_seconds():
    east = NOW.astimezone(timezone(timedelta(hours=2)))

    assert render_time(east) == "2026-01-02T03:04:05Z"


def test_what_only_the_server_may_set_is_wiped_and_set():
    metadata = created(
        {
            "name": "a", "uid": "mine", "generation": 9, "creationTimestamp": "x",
            "deletionTimestamp": "x", "deletionGracePeriodSeconds": 5, "selfLink": "/x",
            "resourceVersion": "5", "labels": {"k": "v"},
        }
    )  # fmt: skip

    assert metadata == {
        "name": "a", "namespace": "n", "uid": "u", "generation": 1, "labels": {"k": "v"},
        "creationTimestamp": "2026-01-02T03:04:05Z",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("metadata", "name"),
    [
        ({"generateName": "cap-"}, "cap-bcdfg"),
        ({"generateName": "x" * 70}, "x" * 58 + "bcdfg"),
        ({"generateName": "cap-", "name": "given"}, "given"),
        ({}, None),
    ],
)
def test_a_name_is_generated_where_there_is_none(metadata, name):
    assert created(metadata).get("name") == name


def test_what_is_empty_is_not_kept_and_equal_owners_are_one():
    owner = {"uid": "1"}

    metadata = created(
        {"name": "a", "labels": {}, "finalizers": [], "ownerReferences": [owner] * 2}
    )

    assert "labels" not in metadata
    assert "finalizers" not in metadata
    assert metadata["ownerReferences"] == [owner]


def test_the_request_s_metadata_does_not_change():
    metadata: JsonObject = {"generateName": "a", "uid": "x"}

    created(metadata)
    prepare_update(metadata, OLD)

    assert metadata == {"generateName": "a", "uid": "x"}


def test_an_update_keeps_what_is_the_server_s():
    metadata: JsonObject = {
        "name": "a", "resourceVersion": "5", "generation": 99, "creationTimestamp": "x",
        "selfLink": "/x", "labels": {"k": "v"},
    }  # fmt: skip

    assert prepare_update(metadata, OLD) == {**OLD, "labels": {"k": "v"}}


def test_an_update_of_a_terminating_object_keeps_its_deletion():
    old: JsonObject = {**OLD, "deletionTimestamp": "t", "deletionGracePeriodSeconds": 0}

    assert prepare_update({"name": "a", "deletionTimestamp": "other"}, old) == old


@pytest.mark.parametrize("seconds", [{}, {"deletionGracePeriodSeconds": None}])
def test_an_update_need_not_say_the_grace_period(seconds):
    old: JsonObject = {**OLD, "deletionTimestamp": "t", "deletionGracePeriodSeconds": 0}

    assert prepare_update({"name": "a", **seconds}, old) == old


def test_an_update_leaves_another_grace_period_to_validation():
    old: JsonObject = {**OLD, "deletionTimestamp": "t", "deletionGracePeriodSeconds": 0}

    prepared = prepare_update({"name": "a", "deletionGracePeriodSeconds": 7}, old)

    assert prepared["deletionGracePeriodSeconds"] == 7


@pytest.mark.parametrize("managers", [[], [{}], [{"manager": "m"}]])
def test_managers_of_fields_pass_as_they_are(managers):
    metadata: JsonObject = {"name": "a", "managedFields": managers}

    assert created(metadata)["managedFields"] == managers
    assert prepare_update(metadata, OLD)["managedFields"] == managers


def test_an_update_leaves_a_deletion_of_its_own_to_validation():
    assert prepare_update({"name": "a", "deletionTimestamp": "t"}, OLD)["deletionTimestamp"] == "t"


def test_the_generation_goes_up_by_one():
    assert with_next_generation(OLD)["generation"] == 4


@pytest.mark.parametrize(
    ("metadata", "name", "message"),
    [
        (
            {"namespace": "m"}, None,
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        (
            {}, "a",
            "the name of the object (a based on URL) was undeterminable: name must be provided",
        ),
        ({"name": "b"}, "a", "the name of the object (b) does not match the name on the URL (a)"),
    ],
)  # fmt: skip
def test_a_body_about_another_object_is_a_bad_request(metadata, name, message):
    error = refused(require_scope, metadata, namespace="n", name=name)

    assert (error.code, error.message) == (400, message)


def test_a_body_about_the_object_of_the_url_passes():
    require_scope({"name": "a", "namespace": "n"}, namespace="n", name="a")
    require_scope({}, namespace="n", name=None)


@pytest.mark.parametrize("version", ["", "0", "x"])
def test_a_create_may_have_what_is_no_version(version):
    require_no_resource_version({"resourceVersion": version})


def test_a_create_may_not_have_a_version():
    error = refused(require_no_resource_version, {"resourceVersion": "5"})

    assert error.message == "resourceVersion should not be set on objects to be created"


def test_the_version_in_a_request():
    assert resource_version_in({"resourceVersion": "5"}) == 5
    assert resource_version_in({"resourceVersion": "0"}) is None
    assert resource_version_in({}) is None
    assert refused(resource_version_in, {"resourceVersion": "x"}).code == 400


def test_a_put_with_the_stored_version_passes():
    preconditions.check_put(THINGS, {"uid": "u", "resourceVersion": "7"}, OLD)


@pytest.mark.parametrize(
    ("metadata", "code", "message"),
    [
        (
            {"uid": "x", "resourceVersion": "1"}, 409,
            ('Operation cannot be fulfilled on things.g.io "a": Precondition failed: UID in '
            "precondition: x, UID in object meta: u"),
        ),
        (
            {}, 422,
            ('things.g.io "a" is invalid: metadata.resourceVersion: Invalid value: 0: must be '
            "specified for an update"),
        ),
        (
            {"resourceVersion": "6"}, 409,
            ('Operation cannot be fulfilled on things.g.io "a": the object has been modified; please '
            "apply your changes to the latest version and try again"),
        ),
    ],
)  # fmt: skip
def test_a_put_that_expects_another_object_is_refused(metadata, code, message):
    error = refused(preconditions.check_put, THINGS, metadata, OLD)

    assert (error.code, error.message) == (code, message)


def test_a_patch_does_not_look_at_the_uid():
    preconditions.check_patch(THINGS, {"uid": "x", "resourceVersion": "7"}, OLD)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (
            DeleteOptions(uid="x"),
            (
                "the UID in the precondition (x) does not match the UID in record (u). The object might "
                "have been deleted and then recreated"
            ),
        ),
        (
            DeleteOptions(resource_version="6"),
            (
                "the ResourceVersion in the precondition (6) does not match the ResourceVersion in "
                "record (7). The object might have been modified"
            ),
        ),
    ],
)
def test_a_deletion_that_expects_another_object_is_a_conflict(options, why):
    error = refused(preconditions.check_delete, THINGS, options, OLD)

    assert (error.code, error.reason) == (409, "Conflict")
    assert error.message == f'Operation cannot be fulfilled on Thing.g.io "a": {why}'


def test_a_deletion_of_what_it_expects_passes():
    preconditions.check_delete(THINGS, DeleteOptions(uid="u", resource_version="7"), OLD)
    preconditions.check_delete(THINGS, DeleteOptions(), OLD)


@pytest.mark.parametrize(
    ("before", "options", "after"),
    [
        ([], DeleteOptions(), []),
        (["x/y", "orphan"], DeleteOptions(), ["x/y", "orphan"]),
        (["foregroundDeletion"], DeleteOptions(propagation=Propagation.ORPHAN), ["orphan"]),
        (
            ["x/y"],
            DeleteOptions(propagation=Propagation.FOREGROUND),
            ["x/y", "foregroundDeletion"],
        ),
        (["orphan", "x/y"], DeleteOptions(propagation=Propagation.BACKGROUND), ["x/y"]),
        (["orphan"], DeleteOptions(orphan_dependents=False), []),
        ([], DeleteOptions(orphan_dependents=True), ["orphan"]),
    ],
)
def test_the_policy_decides_on_the_server_s_finalizers(before, options, after):
    assert finalizers_after({"finalizers": before}, options) == after


def test_a_deletion_that_must_wait_is_marked():
    marked = mark_terminating(OLD, ["x/y"], now=NOW)

    assert is_terminating(marked)
    assert not is_finished(marked)
    assert marked == {
        **OLD,
        "finalizers": ["x/y"],
        "deletionTimestamp": "2026-01-02T03:04:05Z",
        "deletionGracePeriodSeconds": 0,
        "generation": 4,
    }


def test_a_second_deletion_changes_only_the_finalizers():
    marked = mark_terminating(OLD, ["x/y"], now=NOW)

    again = mark_terminating(marked, ["x/y", "orphan"], now=NOW + timedelta(hours=1))

    assert again == {**marked, "finalizers": ["x/y", "orphan"]}


def test_an_object_is_finished_when_nobody_holds_it_any_more():
    assert is_finished({"deletionTimestamp": "t"})
    assert not is_finished({})


def test_the_first_of_equal_owners_stays_in_its_place():
    owners: list[JsonValue] = [{"uid": "2"}, {"uid": "1", "name": "a"}, {"uid": "2"}]

    made = created({"name": "a", "ownerReferences": [*owners, {"name": "a", "uid": "1"}]})

    assert made["ownerReferences"] == owners[:2]
