import pytest

from apiserver.auth.access import may, node_of
from apiserver.auth.identity import User
from apiserver.wire.query import parse_query
from apiserver.wire.request import parse_request

ADMIN = User("admin", ("system:masters",))
NODE = User("packetcapture:node:n1", ("packetcapture:nodes",))
GUEST = User("guest", ("system:authenticated",))
ROOT = "/apis/projectcalico.org/v3"


def allowed(user, method, path, query=""):
    return may(user, parse_request(method, path, parse_query(query)))


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_an_administrator_may_do_everything(method):
    assert allowed(ADMIN, method, f"{ROOT}/namespaces/a/packetcaptures/b")


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
def test_a_node_may_do_what_node_agents_do(method, path, expected):
    assert allowed(NODE, method, ROOT + path) is expected


def test_a_node_may_watch():
    assert allowed(NODE, "GET", f"{ROOT}/packetcaptures", "watch=true&view=spec")


def test_nobody_else_may_do_anything():
    assert not allowed(GUEST, "GET", f"{ROOT}/packetcaptures")
    assert not allowed(GUEST, "GET", "/apis")


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
    ],
)
def test_a_user_speaks_for_its_own_node_only(user, node):
    assert node_of(user) == node
