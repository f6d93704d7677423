"""J. Server-side apply."""

import pytest

from tests.conformance.checks import check
from tests.conformance.documents import causes, with_metadata
from tests.support.client import capture, collection

SELECTOR = {"selector": "has(a)"}


def manifest(*, labels=None, **spec):
    """Return what a manager wants of the object."""
    metadata = {"name": "http"} | ({"labels": labels} if labels else {})
    return capture(**spec) | {"metadata": metadata}


def entries(document):
    return document["metadata"].get("managedFields", [])


def owners(document):
    return [(each["manager"], each["operation"]) for each in entries(document)]


@check(98)
async def test_apply_creates_and_repeated_changes_nothing(admin, namespace):
    path = collection(namespace, "http")
    wanted = with_metadata(labels={"app": "web"}) | {"spec": SELECTOR}

    made = await admin.apply(path, wanted, manager="m1")
    again = await admin.apply(path, wanted, manager="m1")

    (entry,) = entries(made.json)
    assert (made.code, again.code) == (201, 200)
    assert again.json == made.json
    assert (made.json["spec"], made.json["metadata"]["generation"]) == (SELECTOR, 1)
    assert entry.pop("time").endswith("Z")
    assert entry == {
        "manager": "m1",
        "operation": "Apply",
        "apiVersion": "projectcalico.org/v3",
        "fieldsType": "FieldsV1",
        "fieldsV1": {
            "f:metadata": {"f:labels": {"f:app": {}}},
            "f:spec": {"f:selector": {}},
        },
    }


@check(99)
async def test_another_managers_value_conflicts_and_force_takes_it(admin, namespace):
    path = collection(namespace, "http")
    made = (await admin.apply(path, manifest(**SELECTOR), manager="m1")).json
    other = manifest(selector="has(b)")

    refused = await admin.apply(path, other, manager="m2")
    kept = (await admin.get(path)).json
    forced = await admin.apply(path, other, manager="m2", force="true")

    assert (refused.code, refused.json["reason"]) == (409, "Conflict")
    assert refused.json["message"] == (
        'Apply failed with 1 conflict: conflict with "m1": .spec.selector'
    )
    assert refused.json["details"]["causes"] == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "m1"',
            "field": ".spec.selector",
        }
    ]
    assert kept == made
    assert (forced.code, forced.json["spec"]["selector"]) == (200, "has(b)")
    assert "f:selector" not in str(fields_of(forced.json, "m1"))
    assert "f:selector" in str(fields_of(forced.json, "m2"))


def fields_of(document, manager):
    return [each["fieldsV1"] for each in entries(document) if each["manager"] == manager]


@check(100)
async def test_a_field_of_two_goes_when_both_have_dropped_it(admin, namespace):
    path = collection(namespace, "http")
    with_label, without = manifest(labels={"a": "x", "b": "y"}), manifest(labels={"b": "y"})
    for manager in ("m1", "m2"):
        await admin.apply(path, with_label, manager=manager)

    first = await admin.apply(path, without, manager="m1")
    second = await admin.apply(path, without, manager="m2")

    assert (first.code, second.code) == (200, 200)
    assert first.json["metadata"]["labels"] == {"a": "x", "b": "y"}
    assert second.json["metadata"]["labels"] == {"b": "y"}


@check(101)
async def test_updates_own_fields_too(admin, namespace):
    path = collection(namespace, "http")
    agent = {"User-Agent": "updater/1.0 (linux)"}
    wanted = manifest(labels={"a": "x"}, **SELECTOR)
    made = (await admin.apply(path, wanted, manager="m1")).json

    updated = await admin.put(path, made | {"spec": {"selector": "has(b)"}}, headers=agent)
    refused = await admin.apply(path, manifest(selector="has(c)"), manager="m2")

    assert owners(updated.json) == [("m1", "Apply"), ("updater", "Update")]
    assert fields_of(updated.json, "m1") == [{"f:metadata": {"f:labels": {"f:a": {}}}}]
    assert fields_of(updated.json, "updater") == [{"f:spec": {"f:selector": {}}}]
    assert refused.code == 409
    assert refused.json["message"] == (
        'Apply failed with 1 conflict: conflict with "updater" using projectcalico.org/v3:'
        " .spec.selector"
    )


@check(101)
async def test_a_field_manager_has_the_name_that_it_gives_itself(admin, namespace):
    made = await admin.create(
        namespace, capture(), fieldManager="me", headers={"User-Agent": "client/1"}
    )

    assert owners(made.json) == [("me", "Update")]


@check(102)
async def test_an_apply_to_the_status_touches_nothing_else(admin, namespace):
    path = collection(namespace, "http")
    made = (await admin.apply(path, manifest(**SELECTOR), manager="m1")).json
    wanted = manifest(selector="has(b)", labels={"a": "x"}) | {"status": {"packets": 5}}

    answer = await admin.apply(f"{path}/status", wanted, manager="controller")

    (entry,) = [each for each in entries(answer.json) if each["manager"] == "controller"]
    assert (answer.code, answer.json["spec"]) == (200, made["spec"])
    assert answer.json["status"] == {"packets": 5}
    assert not answer.json["metadata"].get("labels")
    assert answer.json["metadata"]["generation"] == 1
    assert (entry["operation"], entry["subresource"]) == ("Apply", "status")
    assert entry["fieldsV1"] == {"f:status": {"f:packets": {}}}


@check(102)
async def test_an_apply_to_the_object_owns_no_status(admin, namespace):
    wanted = manifest(**SELECTOR) | {"status": {"packets": 5}}

    answer = await admin.apply(collection(namespace, "http"), wanted, manager="m1")

    assert answer.code == 201
    assert not answer.json.get("status")
    assert fields_of(answer.json, "m1") == [{"f:spec": {"f:selector": {}}}]


@check(104)
async def test_labels_merge_by_key(admin, namespace):
    path = collection(namespace, "http")

    await admin.apply(path, manifest(labels={"a": "1"}), manager="m1")
    answer = await admin.apply(path, manifest(labels={"b": "2"}), manager="m2")

    assert (answer.code, answer.json["metadata"]["labels"]) == (200, {"a": "1", "b": "2"})


@check(104)
async def test_filters_are_one_value(admin, namespace):
    path = collection(namespace, "http")
    tcp, udp = {"protocol": "TCP"}, {"protocol": "UDP"}

    await admin.apply(path, manifest(filters=[tcp]), manager="m1")
    answer = await admin.apply(path, manifest(filters=[tcp, udp]), manager="m2")
    replaced = await admin.apply(path, manifest(filters=[udp]), manager="m2", force="true")

    assert answer.code == 409
    assert causes(answer) == {("FieldManagerConflict", ".spec.filters")}
    assert replaced.json["spec"]["filters"] == [udp]


@check(106)
@pytest.mark.parametrize("reset", [[{}], []], ids=["one without anything", "none"])
async def test_managed_fields_can_be_reset(admin, namespace, reset):
    path = collection(namespace, "http")
    made = (await admin.apply(path, manifest(**SELECTOR), manager="m1")).json

    answer = await admin.put(
        path, made | {"metadata": made["metadata"] | {"managedFields": reset}}
    )
    applied = await admin.apply(path, manifest(selector="has(z)"), manager="m2", force="true")

    assert (answer.code, entries(answer.json)) == (200, [])
    assert owners(applied.json) == [("m2", "Apply"), ("before-first-apply", "Update")] or owners(
        applied.json
    ) == [("m2", "Apply")]


@check(106)
async def test_managers_of_old_are_one_in_the_end(admin, namespace):
    path = collection(namespace, "http")
    await admin.create(namespace, capture(), fieldManager="first")

    for number in range(15):
        labels = {"metadata": {"labels": {f"label-{number}": "x"}}}
        await admin.patch(path, labels, fieldManager=f"manager-{number}")

    after = (await admin.get(path)).json
    updaters = [name for name, operation in owners(after) if operation == "Update"]
    assert len(updaters) <= 10
    assert "ancient-changes" in updaters
    assert "manager-14" in updaters
