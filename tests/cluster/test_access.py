"""Who may do what: on each way in, 403 and no data for whatever nobody has given."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.cluster import captures
from tests.cluster.callers import (
    Answer,
    Caller,
    administrator,
    bearer,
    kube_apiserver,
    new_token,
    product_server,
)
from tests.cluster.cluster import Cluster
from tests.cluster.pings import open_pingers
from tests.cluster.workloads import Document
from tests.support.client import GROUP, capture, collection
from tests.support.tcpdump import read_text

NAME = "all"
# Part of the objects that only those who may read them get to see.
CONTENT = "all() && !has(known-to-few)"
PCAP_MAGIC = bytes.fromhex("4d3cb2a1")


@dataclass(frozen=True, slots=True)
class Captured:
    """What there is to be had of a namespace: a capture with a file on a node."""

    namespace: str
    node: str
    file: str

    @property
    def path(self) -> str:
        """The capture's."""
        return collection(self.namespace, NAME)


@dataclass(frozen=True, slots=True)
class Route:
    """A request, of which nothing is changed where it is allowed."""

    method: str
    path: Callable[[Captured], str]
    body: Document | None = None

    def ask(self, caller: Caller, captured: Captured) -> Answer:
        """Make the request about these."""
        path = self.path(captured)
        if self.method == "GET":
            return caller.peek(path)
        if self.method == "PATCH":
            return caller.patch(path, self.body or {})
        return caller.request(self.method, path, self.body)


READS = {
    "list": Route("GET", lambda it: collection(it.namespace)),
    "watch": Route("GET", lambda it: f"{collection(it.namespace)}?watch=true"),
    "get": Route("GET", lambda it: it.path),
    "watch one": Route(
        "GET",
        lambda it: f"{collection(it.namespace)}?watch=1&fieldSelector=metadata.name%3D{NAME}",
    ),
    "get status": Route("GET", lambda it: f"{it.path}/status"),
}
FILES = {
    "list files": Route("GET", lambda it: f"{it.path}/files"),
    "list files of a node": Route("GET", lambda it: f"{it.path}/files/{it.node}"),
    "download": Route("GET", lambda it: f"{it.path}/files/{it.node}/{it.file}"),
}
WRITES = {
    "create": Route("POST", lambda it: f"{collection(it.namespace)}?dryRun=All", capture("new")),
    "patch": Route("PATCH", lambda it: f"{it.path}?dryRun=All", {"spec": {}}),
    "delete": Route("DELETE", lambda it: f"{it.path}?dryRun=All"),
}
EVERYWHERE = {
    "list everywhere": Route("GET", lambda _: collection()),
    "watch everywhere": Route("GET", lambda _: f"{collection()}?watch=true"),
}
# What takes more than to be let in.
OTHERS = {
    "replace": Route("PUT", lambda it: f"{it.path}?dryRun=All", capture(NAME)),
    "delete all": Route("DELETE", lambda it: f"{collection(it.namespace)}?dryRun=All"),
    "replace status": Route("PUT", lambda it: f"{it.path}/status?dryRun=All", capture(NAME)),
    "patch status": Route("PATCH", lambda it: f"{it.path}/status?dryRun=All", {"status": {}}),
    "delete files": Route("DELETE", lambda it: f"{it.path}/files?dryRun=All"),
    "packets": Route("GET", lambda it: f"{it.path}/log"),
    "live packets": Route("GET", lambda it: f"{it.path}/log?follow=true"),
}
ROUTES = READS | FILES | WRITES | EVERYWHERE
ROLES = {
    "view": READS,
    "edit": READS | FILES | WRITES,
    "admin": READS | FILES | WRITES,
    "": {},
}


def certified(cluster: Cluster, namespace: str, role: str) -> Caller:
    """Return a user with a client certificate, who goes through kube-apiserver."""
    user = f"user-{secrets.token_hex(4)}"
    bind(cluster, namespace, role, user, {"kind": "User", "name": user})
    return Caller(kube_apiserver(cluster), cluster.authorities.cluster.issue(user))


def with_token(cluster: Cluster, namespace: str, role: str) -> Caller:
    """Return a ServiceAccount with its token, which goes to the API server's pod itself."""
    account = f"account-{secrets.token_hex(4)}"
    cluster.kubectl("create", "serviceaccount", account, f"--namespace={namespace}")
    subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    user = f"system:serviceaccount:{namespace}:{account}"
    bind(cluster, namespace, role, user, subject)
    token = new_token(cluster, namespace, account)
    return Caller(product_server(cluster), headers=bearer(token))


WAYS = {"certificate through kube-apiserver": certified, "token at the server itself": with_token}
way = pytest.mark.parametrize("way", WAYS)


def bind(cluster: Cluster, namespace: str, role: str, user: str, subject: Document) -> None:
    """Give a user a role in a namespace, an empty one is none; return when it is known."""
    if not role:
        return
    rbac = "rbac.authorization.k8s.io"
    binding = {
        "apiVersion": f"{rbac}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": user.replace(":", "-")},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": role},
        "subjects": [subject],
    }
    cluster.apply(binding, namespace=namespace)
    verb = "get" if role == "view" else "create"
    question = ("auth", "can-i", verb, "packetcaptures.projectcalico.org", f"--as={user}")
    # kube-apiserver hears of bindings as others do: some time later, and there is no event for it.
    while cluster.kubectl(*question, f"--namespace={namespace}", check=False).returncode:
        pass


@pytest.fixture(scope="module")
def own(product: Cluster) -> Iterator[Captured]:
    """The namespace that the users have roles in."""
    node = product.nodes[0].name
    with open_pingers(product, node) as namespace:
        yield captured_in(product, namespace, node)


@pytest.fixture(scope="module")
def foreign(product: Cluster) -> Iterator[Captured]:
    """A namespace that they have none in."""
    node = product.nodes[1].name
    with open_pingers(product, node) as namespace:
        yield captured_in(product, namespace, node)


def captured_in(cluster: Cluster, namespace: str, node: str) -> Captured:
    captures.create(cluster, namespace, name=NAME, selector=CONTENT)
    captures.until(cluster, namespace, lambda found: any(each.packets for each in found))
    listed = administrator(cluster).get(collection(namespace, NAME, "files")).json
    return Captured(namespace, node, listed["items"][0]["name"])


@pytest.fixture(scope="module")
def editors(product: Cluster, own: Captured) -> dict[str, Caller]:
    """Users that have the role `edit` in a namespace and no other, by the ways that they come."""
    return {name: make(product, own.namespace, "edit") for name, make in WAYS.items()}


@pytest.mark.parametrize("route", READS | FILES | EVERYWHERE)
def test_there_is_something_to_be_had_by_each_route(product, foreign, route):
    answer = (READS | FILES | EVERYWHERE)[route].ask(administrator(product), foreign)

    assert answer.code == 200
    assert any(each in answer.body for each in (b"known-to-few", b".pcap", PCAP_MAGIC))


def test_trap_37_files_are_in_discovery_because_they_are_served(product, own):
    resources = administrator(product).get(GROUP).json["resources"]

    listed = FILES["list files"].ask(administrator(product), own)

    assert {each["name"]: each["verbs"] for each in resources}["packetcaptures/files"] == ["get"]
    assert listed.code == 200


@way
@pytest.mark.parametrize("route", ROUTES | OTHERS)
def test_a_role_in_one_namespace_gives_nothing_of_another(product, editors, foreign, way, route):
    before = administrator(product).get(foreign.path).json

    answer = (ROUTES | OTHERS)[route].ask(editors[way], foreign)

    after = administrator(product).get(foreign.path).json
    assert answer.code == 403
    assert (answer.json["kind"], answer.json["reason"]) == ("Status", "Forbidden")
    assert b"known-to-few" not in answer.body
    assert of_users(after["metadata"]) == of_users(before["metadata"])


@way
@pytest.mark.parametrize("role", ROLES, ids=lambda role: role or "none")
def test_trap_37_a_role_allows_what_its_name_promises(product, own, way, role):
    caller = WAYS[way](product, own.namespace, role)

    codes = {name: route.ask(caller, own).code for name, route in ROUTES.items()}

    allowed = {name for name, code in codes.items() if code in {200, 201}}
    refused = {name for name, code in codes.items() if code == 403}
    assert allowed == ROLES[role].keys()
    assert refused == ROUTES.keys() - ROLES[role].keys()


@way
def test_whoever_may_edit_a_namespace_creates_watches_downloads_and_deletes_there(
    editors, own, way, tmp_path
):
    caller, name = editors[way], f"mine-{secrets.token_hex(4)}"
    path, file = collection(own.namespace, name), tmp_path / "downloaded.pcap"
    watch = f"{collection(own.namespace)}?watch=true&fieldSelector=metadata.name%3D{name}"

    created = caller.request("POST", collection(own.namespace), capture(name))
    with caller.watching(watch) as events:
        seen = next(each["object"] for each in events if packets(each["object"]))
    (item,) = caller.get(f"{path}/files").json["items"]
    file.write_bytes(caller.get(f"{path}/files/{item['node']}/{item['name']}").body)
    deleted = caller.request("DELETE", path)

    assert created.code == 201
    assert seen["metadata"]["uid"] == created.json["metadata"]["uid"]
    assert "ICMP echo request" in read_text(file)
    assert deleted.code == 200
    assert caller.get(path).code == 404


def of_users(metadata: Document) -> Document:
    """What no agent's report changes, while a test runs, in an object whose capture goes on."""
    theirs = [each for each in metadata["managedFields"] if each.get("subresource") != "status"]
    return {**metadata, "managedFields": theirs, "resourceVersion": None}


def packets(document: Document) -> int:
    found: int = document.get("status", {}).get("packets", 0)
    return found
