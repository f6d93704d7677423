import pytest

from apiserver.auth.access import StandaloneAccess, node_of
from apiserver.auth.identity import User
from apiserver.wire.query import parse_query
from apiserver.wire.request import parse_request

ADMIN = User("admin", ("system:masters",))
NODE = User("packetcapture:node:n1", ("packetcapture:nodes",))
GUEST = User("guest", ("system:authenticated",))
ROOT = "/apis/projectcalico.org/v3"


async def allowed(user, method, path, query=""):
    request = parse_request(method, path, parse_query(query))
    return (await StandaloneAccess().decide(user, request)).allowed


class Pods:
    """One pod, and where it is."""

    def node_of_pod(self, name, uid):
        return "n3" if (name, uid) == ("agent-x", "uid-x") else ""


def bound_to(name, uid):
    prefix = "authentication.kubernetes.io"
    return User("sa", extra={f"{prefix}/pod-name": (name,), f"{prefix}/pod-uid": (uid,)})


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_an_administrator_may_do_everything(method):
    assert await allowed(ADMIN, method, f"{ROOT}/namespaces/a/packetcaptures/b")


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/packetcaptures", True),
        ("GET", "/namespaces/a/packetcaptures/b", True),
        ("POST", "/packetcapturereports", True),
        ("POST", "/namespaces/a/packetcaptures", False),
        ("DELETE", "/namespaces/a/packetcaptures/b", False),
        ("PATCH", "/namespaces/a/packetcaptures/b/status", False),
        ("GET", "/namespaces/a/packetcaptures/b/files", False),
        ("GET", "/namespaces/a/secrets", False),
    ],
)
async def test_a_node_may_do_what_node_agents_do(method, path, expected):
    assert await allowed(NODE, method, ROOT + path) is expected


async def test_a_node_may_watch():
    assert await allowed(NODE, "GET", f"{ROOT}/packetcaptures", "watch=true&view=spec")


async def test_nobody_else_may_do_anything():
    assert not await allowed(GUEST, "GET", f"{ROOT}/packetcaptures")
    assert not await allowed(GUEST, "GET", "/apis")


@pytest.mark.parametrize(
    ("user", "node"),
    [
        pytest.param(NODE, "n1", id="by certificate"),
        pytest.param(User("packetcapture:node:n1"), "", id="a name without the group"),
        pytest.param(ADMIN, "", id="an administrator"),
        pytest.param(
            User("sa", extra={"authentication.kubernetes.io/node-name": ("n2",)}),
            "n2",
            id="by a token bound to a pod",
        ),
        pytest.param(bound_to("agent-x", "uid-x"), "n3", id="by an older token: by its pod"),
        pytest.param(bound_to("agent-x", "uid-y"), "", id="an older pod of the same name"),
        pytest.param(bound_to("agent-x", ""), "", id="a pod without its uid"),
    ],
)
def test_a_user_speaks_for_its_own_node_only(user, node):
    assert node_of(user, Pods()) == node


def test_an_older_token_speaks_for_no_node_where_pods_are_not_known():
    assert node_of(bound_to("agent-x", "uid-x")) == ""
