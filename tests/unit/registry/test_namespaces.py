"""Which writes a namespace's state stops, and what clients are told."""

import pytest

from apiserver.cluster.namespaces import NamespaceState, NamespaceUnknownError
from apiserver.jsontypes import JsonObject
from apiserver.registry.admission import Admission
from apiserver.registry.controls import Controls
from apiserver.registry.packetcaptures import PacketCaptureStrategy
from apiserver.registry.requests import DeleteRequest, Request
from apiserver.registry.verbs import Registry
from apiserver.wire.body import Decoded
from apiserver.wire.status import ApiError
from apiserver.wire.writeoptions import FieldValidation, WriteOptions
from tests.unit.conftest import NOW


class Namespaces:
    """All in the state that the test sets; None where nobody can say."""

    def __init__(self):
        self.state = NamespaceState.ACTIVE

    async def state_of(self, name):
        if self.state is None:
            raise NamespaceUnknownError(name, "the cluster is away")
        return self.state

    async def next_loss(self):
        return frozenset()


@pytest.fixture
def namespaces():
    return Namespaces()


@pytest.fixture
def registry(store, namespaces, compiler):
    strategy = PacketCaptureStrategy(compiler)
    admission = Admission(
        strategy,
        namespaces=namespaces,
        controls=Controls(),
        clock=lambda: NOW,
        new_uid=lambda: "uid",
        new_suffix=lambda: "12345",
    )
    return Registry(store, strategy, admission, clock=lambda: NOW)


def request(metadata=None, *, dry_run=False, spec=None):
    document: JsonObject = {
        "apiVersion": "projectcalico.org/v3",
        "kind": "PacketCapture",
        "metadata": metadata or {"name": "http"},
        "spec": spec or {},
    }
    options = WriteOptions(
        dry_run=dry_run, field_manager="test", field_validation=FieldValidation.STRICT
    )
    return Request(Decoded(document, ()), options)


async def refusal(registry, asked):
    with pytest.raises(ApiError) as caught:
        await registry.create("shop", asked)
    return caught.value.to_json()


@pytest.mark.parametrize("dry_run", [False, True])
async def test_trap_42_nothing_is_created_in_a_namespace_that_is_not_there(
    registry, namespaces, dry_run
):
    namespaces.state = NamespaceState.MISSING

    status = await refusal(registry, request(dry_run=dry_run))

    assert (status["code"], status["reason"]) == (404, "NotFound")
    assert status["message"] == 'namespaces "shop" not found'
    assert status["details"] == {"name": "shop", "kind": "namespaces"}


@pytest.mark.parametrize("dry_run", [False, True])
async def test_trap_42_nothing_is_created_in_a_namespace_that_goes(registry, namespaces, dry_run):
    namespaces.state = NamespaceState.TERMINATING

    status = await refusal(registry, request(dry_run=dry_run))

    assert (status["code"], status["reason"]) == (403, "Forbidden")
    assert status["message"] == (
        'packetcaptures.projectcalico.org "http" is forbidden: unable to create new content in '
        "namespace shop because it is being terminated"
    )
    assert status["details"]["causes"] == [
        {
            "reason": "NamespaceTerminating",
            "message": "namespace shop is being terminated",
            "field": "metadata.namespace",
        }
    ]


async def test_of_a_generated_name_the_prefix_is_told(registry, namespaces):
    namespaces.state = NamespaceState.TERMINATING

    status = await refusal(registry, request({"generateName": "http-"}))

    assert 'projectcalico.org "http-" is forbidden' in status["message"]


async def test_the_namespace_is_looked_at_before_the_object_is_judged(registry, namespaces):
    namespaces.state = NamespaceState.MISSING

    status = await refusal(registry, request(spec={"selector": "a =="}))

    assert status["code"] == 404


async def test_what_nobody_knows_is_our_failure(registry, namespaces):
    namespaces.state = None

    status = await refusal(registry, request())

    assert (status["code"], status["reason"]) == (500, "InternalError")


async def test_updates_and_deletes_pass_always(registry, namespaces):
    made = await registry.create("shop", request())
    namespaces.state = NamespaceState.TERMINATING

    version = made.document["metadata"]["resourceVersion"]
    changed = request({"name": "http", "resourceVersion": version, "labels": {"a": "b"}})
    updated = await registry.update("shop", "http", changed)
    deleted = await registry.delete("shop", "http", DeleteRequest())

    assert updated.document["metadata"]["labels"] == {"a": "b"}
    assert deleted.document is None
