"""A dry run is answered with what it would do; who may not list pods is told no names."""

import re

import pytest

from apiserver.auth.access import Decision, UndecidedError
from apiserver.auth.identity import User
from apiserver.jsontypes import JsonObject
from apiserver.pcap.child import CompilerError
from apiserver.registry.explanation import Explanation
from apiserver.registry.packetcaptures import PACKET_CAPTURES, PacketCaptureStrategy
from apiserver.resource.explaining import UNKNOWN_PODS
from apiserver.resource.surroundings import SelectedPod
from apiserver.wire.admissionreview import Attributes, Operation
from tests.fakes.knownpods import KnownPods

WEB = SelectedPod("shop", "web-1", "uid-1", "node-a")
PROXY = SelectedPod("shop", "proxy-1", "uid-2", "node-b")
ALL_PACKETS = "filter: none, all packets are captured"

ALICE = User("alice", ("team", "system:authenticated"), "u-1", {"scopes": ("a", "b")})


class Answers:
    """An authorizer that says what the test wants, and remembers what it was asked."""

    def __init__(self, answer=True):
        self.answer = answer
        self.asked = []

    async def decide(self, user, request):
        self.asked.append((user, request))
        if isinstance(self.answer, Exception):
            raise self.answer
        return Decision(self.answer)


def asked(spec, old=None, *, dry_run=True, user=ALICE, subresource=""):
    metadata: JsonObject = {"name": "http", "namespace": "shop"}
    document = None if spec is None else {"metadata": metadata, "spec": spec, "status": {}}
    return Attributes(
        operation=Operation.CREATE if old is None else Operation.UPDATE,
        resource=PACKET_CAPTURES,
        subresource=subresource,
        namespace="shop",
        name="http",
        document=document,
        old=None if old is None else {"metadata": metadata, "spec": old, "status": {}},
        options={},
        dry_run=dry_run,
        user=user.to_json(),
    )


@pytest.fixture
def access():
    return Answers()


@pytest.fixture
def surroundings():
    return KnownPods((WEB,), (PROXY,))


@pytest.fixture
def explanation(compiler, surroundings, access):
    return Explanation(PacketCaptureStrategy(compiler), compiler, surroundings, access)


EVERYTHING = {"selector": "all()"}
OUTDATED = {"selector": "a =="}


async def test_a_dry_run_of_a_create_names_pods_and_filter(explanation):
    said = await explanation.validate(
        asked({"selector": "all()", "filters": [{"protocol": "TCP", "ports": [80]}]})
    )

    selects, host_network, filters = said
    assert selects == "selects 1 pod: node-a: web-1"
    assert host_network.endswith("node-b: proxy-1")
    assert filters.startswith("filter: tcp port 80 (")
    assert filters.endswith(" instructions)")


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param(asked(EVERYTHING, dry_run=False), id="a real create"),
        pytest.param(asked(EVERYTHING, EVERYTHING), id="an update that leaves the spec"),
        pytest.param(asked(None, EVERYTHING), id="a deletion"),
        pytest.param(
            asked(OUTDATED, {**OUTDATED, "snapLength": 96}),
            id="a spec that would be refused today",
        ),
    ],
)
async def test_nothing_is_said_of_anything_else(explanation, access, attributes):
    assert await explanation.validate(attributes) == ()
    assert access.asked == []


async def test_a_dry_run_of_an_update_is_explained_where_it_changes_the_spec(explanation):
    said = await explanation.validate(asked(EVERYTHING, {"selector": "has(a)"}))

    assert said[0] == "selects 1 pod: node-a: web-1"
    assert said[-1] == ALL_PACKETS


@pytest.mark.parametrize(
    "answer",
    [pytest.param(False, id="no"), pytest.param(UndecidedError("away"), id="nobody knows")],
)
async def test_who_may_not_list_pods_is_told_numbers(explanation, access, answer):
    access.answer = answer

    said = await explanation.validate(asked(EVERYTHING))

    assert said[0] == "selects 1 pod on 1 node"
    assert not {"web-1", "proxy-1", "node-a", "node-b"} & set(" ".join(said).split())


async def test_it_is_asked_as_the_one_who_asks(explanation, access):
    await explanation.validate(asked(EVERYTHING))

    ((user, request),) = access.asked
    assert user == ALICE
    assert (request.verb, request.group, request.resource) == ("list", "", "pods")
    assert (request.namespace, request.is_resource, request.name) == ("shop", True, "")


async def test_where_pods_are_not_known_it_says_so(explanation, surroundings, access):
    surroundings.selected = None

    assert await explanation.validate(asked(EVERYTHING)) == (UNKNOWN_PODS, ALL_PACKETS)
    assert access.asked == []


async def test_a_compiler_that_fails_costs_a_number_and_nothing_else(
    explanation, compiler, monkeypatch
):
    async def fail(_filter):
        raise CompilerError(9)

    monkeypatch.setattr(compiler, "check", fail)

    said = await explanation.validate(asked({"filters": [{"protocol": "UDP", "ports": [53]}]}))

    assert said[-1] == "filter: udp port 53"


async def test_what_was_compiled_to_validate_it_is_not_compiled_again(
    explanation, compiler, monkeypatch
):
    attributes = asked(
        {"filters": [{"protocol": "TCP", "ports": ["http"], "expression": "not port 1"}]}
    )
    await PacketCaptureStrategy(compiler).validate(attributes.document, None)
    monkeypatch.setattr(compiler, "_compile", None)

    said = await explanation.validate(attributes)

    assert re.search(r"^filter: .*tcp port http.* instructions\)", said[-1])


async def test_it_changes_nothing(explanation):
    attributes = asked(EVERYTHING)

    assert (await explanation.mutate(attributes)).document is attributes.document
