"""What others than the resource say about a write is heard, in order, and sees what it should."""

import pytest

from apiserver.cluster.namespaces import EveryNamespace
from apiserver.jsontypes import JsonObject
from apiserver.registry.admission import Admission
from apiserver.registry.controls import Controls
from apiserver.registry.packetcaptures import PacketCaptureStrategy
from apiserver.registry.requests import DeleteRequest, Origin, Request
from apiserver.registry.verbs import Registry
from apiserver.wire import status
from apiserver.wire.admissionreview import Admitted, Operation
from apiserver.wire.body import Decoded
from apiserver.wire.deleteoptions import DeleteOptions
from apiserver.wire.options import ListOptions
from apiserver.wire.writeoptions import FieldValidation, WriteOptions
from tests.support.client import KEEPS_LITTLE
from tests.unit.conftest import NOW

ALICE: JsonObject = {"username": "alice"}


class Control:
    """Answers what the test wants, and remembers what it was asked."""

    def __init__(self):
        self.mutated = []
        self.validated = []
        self.change = lambda document: document
        self.warnings = ()
        self.refusal = None

    async def mutate(self, attributes):
        self.mutated.append(attributes)
        document = attributes.document
        return Admitted(document and self.change(document), self.warnings)

    async def validate(self, attributes):
        self.validated.append(attributes)
        if self.refusal is not None:
            raise self.refusal
        return ()


@pytest.fixture
def control():
    return Control()


@pytest.fixture
def registry(store, control, compiler):
    strategy = PacketCaptureStrategy(compiler)
    admission = Admission(
        strategy,
        namespaces=EveryNamespace(),
        controls=Controls([control]),
        clock=lambda: NOW,
        new_uid=lambda: "uid-1",
        new_suffix=lambda: "abcde",
    )
    return Registry(store, strategy, admission, clock=lambda: NOW)


def request(document, *, user=ALICE, dry_run=False, warnings=None, **others):
    options = WriteOptions(
        dry_run=dry_run, field_manager="test", field_validation=FieldValidation.STRICT
    )
    warn = (warnings if warnings is not None else []).extend
    return Request(Decoded(document), options, user=user, warn=warn, **others)


def capture(name="http", **metadata):
    return {"metadata": {"name": name, **metadata}, "spec": {"selector": "a == 'b'"}}


def labelled(document):
    return {**document, "metadata": {**document["metadata"], "labels": {"by": "control"}}}


async def test_what_a_control_changes_is_stored_and_belongs_to_no_manager(registry, control):
    control.change = labelled

    written = await registry.create("shop", request(capture()))

    metadata = written.document["metadata"]
    assert metadata["labels"] == {"by": "control"}
    assert "f:labels" not in str(metadata["managedFields"])


async def test_a_control_is_asked_before_the_name_is_made_and_again_when_it_is(registry, control):
    await registry.create("shop", request({"metadata": {"generateName": "http-"}}))

    (before,), (after,) = control.mutated, control.validated
    assert (before.operation, before.name, before.namespace) == (Operation.CREATE, "", "shop")
    assert before.document["metadata"].keys().isdisjoint({"name", "uid", "creationTimestamp"})
    assert after.document["metadata"]["name"] == "http-abcde"
    assert after.document["metadata"]["uid"] == "uid-1"


async def test_what_a_control_makes_of_an_object_is_validated(registry, control):
    control.change = lambda document: {**document, "spec": {"selector": "a =="}}

    with pytest.raises(status.ApiError) as caught:
        await registry.create("shop", request(capture()))

    assert caught.value.code == 422


async def test_a_refusal_stores_nothing_and_keeps_the_warnings(registry, control):
    warnings: list[str] = []
    control.warnings, control.refusal = ("mind the gap",), status.bad_request("no")

    with pytest.raises(status.ApiError, match="no"):
        await registry.create("shop", request(capture(), warnings=warnings))

    assert warnings == ["mind the gap", KEEPS_LITTLE]
    assert (await registry.list("shop", ListOptions())).items == ()


async def test_a_write_that_changes_nothing_is_asked_about_too(registry, control):
    made = (await registry.create("shop", request(capture()))).document

    await registry.update("shop", "http", request(made))

    assert [each.operation for each in control.validated] == [Operation.CREATE, Operation.UPDATE]
    assert control.validated[-1].old == made


async def test_a_patch_of_the_status_is_an_update_of_the_subresource(registry, control):
    await registry.create("shop", request(capture()))

    async def change(old):
        document = {**old, "status": {"pods": 1}}
        return request(document, subresource="status", origin=Origin.PATCH)

    written = await registry.patch("shop", "http", change)

    assert written.document["status"] == {"pods": 1}
    asked = control.validated[-1]
    assert (asked.operation, asked.subresource) == (Operation.UPDATE, "status")
    assert asked.options["kind"] == "UpdateOptions"


async def test_a_deletion_is_asked_about_with_the_object_as_it_was(registry, control):
    made = (await registry.create("shop", request(capture()))).document
    control.refusal = status.bad_request("keep it")

    with pytest.raises(status.ApiError, match="keep it"):
        await registry.delete("shop", "http", DeleteRequest(DeleteOptions(), ALICE))

    asked = control.validated[-1]
    assert (asked.operation, asked.name) == (Operation.DELETE, "http")
    assert (asked.document, asked.old) == (None, made)


async def test_a_collection_is_asked_about_object_by_object_without_names(registry, control):
    for name in ("a", "b"):
        await registry.create("shop", request(capture(name)))
    control.validated.clear()

    page = await registry.delete_collection(
        "shop", ListOptions(), DeleteRequest(DeleteOptions(), ALICE)
    )

    assert len(page.items) == 2
    assert [(each.name, each.old["metadata"]["name"]) for each in control.validated] == [
        ("", "a"),
        ("", "b"),
    ]
    assert (await registry.list("shop", ListOptions())).items == ()


async def test_a_deletion_that_only_tries_deletes_nothing(registry, control):
    await registry.create("shop", request(capture()))

    await registry.delete_collection(
        "shop", ListOptions(), DeleteRequest(DeleteOptions(dry_run=True), ALICE)
    )

    assert control.validated[-1].dry_run
    assert len((await registry.list("shop", ListOptions())).items) == 1


async def test_the_server_itself_needs_nobodys_leave(registry, control):
    control.refusal = status.bad_request("no")

    await registry.create("shop", request(capture(), user=None))
    await registry.delete("shop", "http", DeleteRequest())

    assert control.mutated == control.validated == []


async def test_what_is_not_found_by_a_control_is_not_created_by_apply(registry, control):
    await registry.create("shop", request(capture()))
    control.mutated.clear()
    control.refusal = status.ApiError(404, "NotFound", "no such ticket")
    config = capture()
    config |= {"apiVersion": "projectcalico.org/v3", "kind": "PacketCapture"}
    config["metadata"]["labels"] = {"ticket": "17"}

    async def may_create():
        raise AssertionError("it is there")

    with pytest.raises(status.ApiError, match="no such ticket"):
        await registry.apply("shop", "http", request(config), may_create=may_create)

    assert [each.operation for each in control.mutated] == [Operation.UPDATE]


async def test_what_is_not_found_by_a_control_is_not_taken_for_deleted(registry, control):
    await registry.create("shop", request(capture()))
    control.refusal = status.ApiError(404, "NotFound", "no such ticket")

    with pytest.raises(status.ApiError, match="no such ticket"):
        await registry.delete_collection("shop", ListOptions(), DeleteRequest(user=ALICE))


SPOILED: JsonObject = {"managedFields": [{"manager": "control", "fieldsType": "FieldsV9"}]}


async def test_managers_that_a_control_has_spoiled_are_those_from_before(registry, control):
    control.change = lambda document: {
        **document,
        "metadata": {**document["metadata"], "labels": {"by": "control"}, **SPOILED},
    }
    warnings: list[str] = []

    written = await registry.create("shop", request(capture(), warnings=warnings))

    metadata = written.document["metadata"]
    assert metadata["labels"] == {"by": "control"}
    assert [each["manager"] for each in metadata["managedFields"]] == ["test"]
    assert [each[:57] for each in warnings if each != KEEPS_LITTLE] == [
        ".metadata.managedFields was in an invalid state after adm"
    ]


async def test_a_status_without_managers_gets_no_null_for_them(registry, control):
    await registry.create("shop", request(capture()))

    async def status_of(old):
        document = {**old, "status": {"files": [{"node": "n1"}]}}
        return request(document, subresource="status", origin=Origin.PATCH)

    control.change = lambda document: {
        **document,
        "metadata": {**document["metadata"], "managedFields": None},
        "status": {"files": [{"node": "n2"}]},
    }
    written = await registry.patch("shop", "http", status_of)

    assert "managedFields" not in written.document["metadata"]
