import asyncio

import pytest

from apiserver.auth.access import Decision, UndecidedError
from apiserver.auth.identity import User
from apiserver.auth.subjectaccessreview import PATH, SubjectAccessReviews, review_spec
from apiserver.upstream.client import open_client
from apiserver.wire.query import parse_query
from apiserver.wire.request import parse_request
from tests.fakes.cluster_api import ClusterAPI, serving
from tests.fakes.kubernetes_api import write_kubeconfig

ROOT = "/apis/projectcalico.org/v3"
ALICE = User("alice", ("dev", "system:authenticated"), "7", {"scope": ("a", "b")})


def asked(method, path, query=""):
    return parse_request(method, path, parse_query(query))


def attributes(method, path, query=""):
    return review_spec(ALICE, asked(method, path, query)).get("resourceAttributes")


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        pytest.param(
            "GET",
            f"{ROOT}/namespaces/shop/packetcaptures/http/status",
            "",
            {
                "namespace": "shop",
                "verb": "get",
                "group": "projectcalico.org",
                "version": "v3",
                "resource": "packetcaptures",
                "subresource": "status",
                "name": "http",
            },
            id="a subresource",
        ),
        pytest.param(
            "GET",
            f"{ROOT}/packetcaptures",
            "watch=1",
            {
                "verb": "watch",
                "group": "projectcalico.org",
                "version": "v3",
                "resource": "packetcaptures",
            },
            id="all namespaces",
        ),
        pytest.param(
            "GET",
            f"{ROOT}/namespaces/shop/packetcaptures",
            "fieldSelector=metadata.name%3Dhttp",
            {
                "namespace": "shop",
                "verb": "list",
                "group": "projectcalico.org",
                "version": "v3",
                "resource": "packetcaptures",
                "name": "http",
            },
            id="a list of one name",
        ),
    ],
)
def test_a_resource_is_asked_for_by_its_attributes(method, path, query, expected):
    assert attributes(method, path, query) == expected


def test_the_user_is_told_whole():
    assert review_spec(ALICE, asked("GET", "/apis")) == {
        "user": "alice",
        "uid": "7",
        "groups": ["dev", "system:authenticated"],
        "extra": {"scope": ["a", "b"]},
        "nonResourceAttributes": {"path": "/apis", "verb": "get"},
    }


class Rules:
    """An authorizer that allows what its test says, and remembers what it was asked."""

    def __init__(self):
        self.status = {"allowed": True}
        self.specs = []

    def __call__(self, document):
        self.specs.append(document["spec"])
        return {**document, "status": self.status}


@pytest.fixture
def rules():
    return Rules()


@pytest.fixture
async def api(rules):
    async with serving(ClusterAPI(answers={PATH: rules})) as running:
        yield running


@pytest.fixture
async def access(api, tmp_path):
    config = await asyncio.to_thread(write_kubeconfig, tmp_path / "config", api.url)
    async with open_client(config) as client:
        yield SubjectAccessReviews(client, monotonic=lambda: 0.0)


@pytest.mark.parametrize(
    ("status", "decision"),
    [
        pytest.param({"allowed": True}, Decision(allowed=True), id="allowed"),
        pytest.param(
            {"allowed": False, "reason": "no rule"},
            Decision(allowed=False, reason="no rule"),
            id="not allowed",
        ),
        pytest.param(
            {"allowed": True, "denied": True}, Decision(allowed=False), id="denied by somebody"
        ),
        pytest.param({}, Decision(allowed=False), id="nothing is said"),
        pytest.param({"allowed": "true"}, Decision(allowed=False), id="not quite allowed"),
    ],
)
async def test_the_cluster_decides(access, rules, status, decision):
    rules.status = status

    assert await access.decide(ALICE, asked("GET", "/apis")) == decision


@pytest.mark.parametrize("allowed", [True, False])
async def test_what_was_decided_just_now_is_not_asked_again(access, rules, allowed):
    rules.status = {"allowed": allowed}

    for _ in range(3):
        await access.decide(ALICE, asked("GET", "/apis"))

    assert len(rules.specs) == 1


async def test_another_request_is_another_question(access, rules):
    for path in ("/apis", "/version", f"{ROOT}/packetcaptures"):
        await access.decide(ALICE, asked("GET", path))

    assert len(rules.specs) == 3


async def test_administrators_are_not_asked_for(access, rules):
    decision = await access.decide(User("root", ("system:masters",)), asked("GET", "/apis"))

    assert decision.allowed
    assert rules.specs == []


async def test_nothing_is_allowed_by_an_error(access, api):
    api.refusals["POST", PATH] = (403, "Forbidden")

    with pytest.raises(UndecidedError):
        await access.decide(ALICE, asked("GET", "/apis"))


async def test_what_is_known_is_known_while_the_cluster_is_away(access, api):
    await access.decide(ALICE, asked("GET", "/apis"))
    api.refusals["POST", PATH] = (403, "Forbidden")

    assert (await access.decide(ALICE, asked("GET", "/apis"))).allowed
    with pytest.raises(UndecidedError):
        await access.decide(ALICE, asked("GET", "/version"))


async def test_large_questions_are_forgotten(access, rules):
    member_of_many = User("bob", tuple(f"group-{number}" for number in range(2000)))

    for _ in range(2):
        await access.decide(member_of_many, asked("GET", "/apis"))

    assert len(rules.specs) == 2
