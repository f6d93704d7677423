"""K. Authentication and authorization."""

import asyncio
from urllib.parse import urlsplit

import pytest

from tests.cluster.kubeconfig import write_kubeconfig
from tests.cluster.pki import new_authority
from tests.conformance.checks import check, client
from tests.conformance.documents import fill
from tests.conformance.doors import MASTERS
from tests.conformance.link import open_link
from tests.conformance.numbers import value
from tests.conformance.server import ACCOUNT, open_server
from tests.support.client import capture, collection

RESOURCE = "packetcaptures.p"
REVIEWS = "apiserver_delegated_authn_request_total"


@pytest.fixture
def nobody(door, session):
    """Somebody without a certificate."""
    return door.client(session, None)


@pytest.fixture
def operator(doors, session):
    """An administrator at the server itself."""
    return doors["direct"].user(session, "admin", MASTERS)


@pytest.fixture
async def robot(kubernetes, namespace):
    """A ServiceAccount: its user name, and a token of it."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    await kubernetes.request("POST", path, {"metadata": {"name": "robot"}})
    answer = await kubernetes.request("POST", f"{path}/robot/token", {"spec": {}})
    assert answer.code == 201, answer.body
    return f"system:serviceaccount:{namespace}:robot", answer.json["status"]["token"]


async def show(client, path, token):
    return await client.request("GET", path, headers={"Authorization": f"Bearer {token}"})


@check(108)
async def test_a_token_is_whose_it_is(nobody, operator, rights, robot, namespace):
    name, token = robot
    await rights.allow(name, ["list"], namespace=namespace)

    before = await value(operator, REVIEWS)
    answers = [await show(nobody, collection(namespace), token) for _ in range(3)]
    asked = await value(operator, REVIEWS) - before
    elsewhere = await show(nobody, collection("default"), token)

    assert [each.code for each in answers] == [200, 200, 200]
    # Through kube-apiserver it is kube-apiserver that knows tokens.
    assert asked <= 1
    assert elsewhere.code == 403
    assert f'User "{name}" cannot list' in elsewhere.json["message"]


@check(108)
@pytest.mark.parametrize("token", ["garbage", "a.b.c"])
async def test_a_token_of_nobody_is_refused(nobody, namespace, token):
    answer = await show(nobody, collection(namespace), token)

    assert (answer.code, answer.json["reason"]) == (401, "Unauthorized")


@check(109)
@pytest.mark.parametrize(
    ("method", "name", "said"),
    [
        pytest.param("GET", "", 'is forbidden: User "{user}" cannot list', id="list"),
        pytest.param("GET", "x", '"x" is forbidden: User "{user}" cannot get', id="get"),
        pytest.param("POST", "", 'is forbidden: User "{user}" cannot create', id="create"),
        pytest.param("DELETE", "x", '"x" is forbidden: User "{user}" cannot delete', id="delete"),
        pytest.param(
            "DELETE", "", 'is forbidden: User "{user}" cannot deletecollection', id="delete all"
        ),
    ],
)
async def test_who_may_not_is_told_what(as_user, user, namespace, method, name, said):
    body = capture() if method == "POST" else None

    answer = await as_user(user).request(method, collection(namespace, name), body)

    assert (answer.code, answer.json["reason"]) == (403, "Forbidden")
    assert answer.json["message"] == (
        f"packetcaptures.projectcalico.org {said.format(user=user)} resource "
        f'"packetcaptures" in API group "projectcalico.org" in the namespace "{namespace}"'
    )
    assert answer.json["details"]["kind"] == "packetcaptures"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@check(109)
async def test_all_namespaces_are_the_clusters_scope(as_user, user, rights, namespace):
    await rights.allow(user, ["list"], namespace=namespace)

    within = await as_user(user).get(collection(namespace))
    across = await as_user(user).get(collection())

    assert (within.code, across.code) == (200, 403)
    assert across.json["message"].endswith("at the cluster scope")


@check(109)
async def test_a_subresource_needs_a_right_of_its_own(admin, as_user, user, rights, namespace):
    await fill(admin, namespace, capture())
    await rights.allow(user, ["patch"], namespace=namespace)
    path = collection(namespace, "http")

    whole = await as_user(user).patch(path, {})
    status = await as_user(user).patch(f"{path}/status", {})

    assert (whole.code, status.code) == (200, 403)
    assert 'cannot patch resource "packetcaptures/status" in' in status.json["message"]


@pytest.fixture
async def severable(cluster, tmp_path, ports, doors):
    """The door of another server, and its way to kube-apiserver."""
    admin = cluster.authorities.cluster.issue("admin", organizations=[MASTERS])
    there = urlsplit(cluster.server)
    async with open_link(there.hostname, there.port) as link:
        kubeconfig = write_kubeconfig(
            tmp_path / "kubeconfig",
            server=link.url,
            authority=cluster.authorities.cluster.certificate,
            client=cluster.authorities.cluster.issue(ACCOUNT),
        )
        another = {"authority": new_authority("cut off"), "port": next(ports)}
        with open_server(cluster, tmp_path, **another, kubeconfig=kubeconfig) as server:
            await asyncio.to_thread(server.until_ready, admin, but=set())
            yield doors["direct"].leading_to(server), link


@check(110)
async def test_without_kube_apiserver_nobody_new_gets_in(
    severable, session, rights, user, namespace
):
    door, link = severable
    known, other = door.user(session, user), door.user(session, f"{user}-2")
    operator, nobody = door.user(session, "admin", MASTERS), door.client(session, None)
    await rights.allow(user, ["list"], namespace=namespace)
    before = await known.get(collection(namespace))

    link.cut()
    cached = await known.get(collection(namespace))
    # Each of these is asked about for some seconds, in vain.
    async with asyncio.TaskGroup() as tasks:
        new = tasks.create_task(known.get(collection(namespace, "new")))
        stranger = tasks.create_task(other.get(collection(namespace)))
        token = tasks.create_task(show(nobody, collection(namespace), "token"))
        master = tasks.create_task(operator.get(collection(namespace)))

    assert (before.code, cached.code, master.result().code) == (200, 200, 200)
    assert (new.result().code, stranger.result().code) == (500, 500)
    assert stranger.result().json["kind"] == "Status"
    assert token.result().code == 401


@check(111)
@client("kubectl", "get --as")
def test_kubectl_is_somebody_else(doors, namespace, user):
    door = doors["aggregated"]
    kubectl = door.kubectl(door.kubeconfig("admin", MASTERS), namespace)

    refused = kubectl("get", RESOURCE, f"--as={user}", fails=True).stderr
    allowed = kubectl("get", RESOURCE, f"--as={user}", f"--as-group={MASTERS}").stderr

    assert f'User "{user}" cannot list resource "packetcaptures"' in refused
    assert allowed == f"No resources found in {namespace} namespace.\n"


@check(111)
async def test_impersonation_is_never_ignored(as_user, user, rights, namespace):
    await rights.allow(user, ["list"], namespace=namespace)
    asked = {"headers": {"Impersonate-User": "bob"}}

    answer = await as_user(user).get(collection(namespace), **asked)

    assert (answer.code, answer.json["reason"]) == (403, "Forbidden")


@check(113)
async def test_health_is_for_everybody(doors, session):
    answer = await doors["direct"].client(session, None).get("/readyz")

    assert (answer.code, answer.body) == (200, b"ok")


@check(113)
@pytest.mark.parametrize("path", ["/metrics", "/apis", collection(), collection("default", "x")])
async def test_all_else_is_not(doors, session, path):
    answer = await doors["direct"].client(session, None).get(path)

    assert answer.code in {401, 403}
    assert answer.json["kind"] == "Status"


@pytest.fixture
async def creator(as_user, user, rights, namespace):
    """Somebody who may create captures in the namespace, and do nothing else."""
    await rights.allow(user, ["create"], namespace=namespace)
    return as_user(user)


@pytest.fixture
def kubectl_of_user(doors, user, namespace):
    """Who decides is kube-apiserver, whatever the door."""
    door = doors["aggregated"]
    return door.kubectl(door.kubeconfig(user), namespace)


@check(114)
@client("kubectl", "auth can-i")
@pytest.mark.parametrize(
    ("verb", "flags", "is_allowed"),
    [
        ("create", (), True),
        ("delete", (), False),
        ("update", ("--subresource=status",), False),
    ],
    ids=["create", "delete", "update the status"],
)
async def test_kubectl_knows_what_a_user_may(
    creator, kubectl_of_user, namespace, verb, flags, is_allowed
):
    question = ("auth", "can-i", verb, "packetcaptures.projectcalico.org", *flags)

    said = await asyncio.to_thread(kubectl_of_user, *question, fails=not is_allowed)
    answer = await _do(creator, namespace, verb)

    assert said.stdout == ("yes\n" if is_allowed else "no\n")
    assert (answer.code != 403) is is_allowed


async def _do(client, namespace, verb):
    match verb:
        case "create":
            return await client.create(namespace, capture())
        case "delete":
            return await client.delete(collection(namespace, "http"))
        case _:
            return await client.put(collection(namespace, "http", "status"), capture())
