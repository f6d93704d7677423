"""Who gets in: the front proxy, client certificates of our own CA, and nobody else."""

import pytest

from tests.support.client import GROUP, Client, capture, collection

REMOTE_ADMIN = {"X-Remote-User": "alice", "X-Remote-Group": "system:masters"}


@pytest.fixture
def nobody(session, server, installation):
    return Client(session, server.url, installation.nobody())


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
async def test_health_needs_no_credentials_and_tells_no_details(nobody, path):
    plain = await nobody.get(path)
    verbose = await nobody.get(path, verbose="")

    assert (plain.code, plain.body) == (200, b"ok")
    assert verbose.body == b"ok"


async def test_health_in_detail_is_for_those_with_credentials(admin):
    answer = await admin.get("/readyz", verbose="")

    assert b"[+]storage ok" in answer.body
    assert answer.body.endswith(b"readyz check passed\n")


@pytest.mark.parametrize(
    "path",
    ["/", "/api", "/apis", GROUP, "/openapi/v3", "/version", "/metrics", collection(), "/livez/x"],
)
async def test_without_credentials_there_is_nothing_else(nobody, path):
    answer = await nobody.request("GET", path, headers=REMOTE_ADMIN)

    assert answer.code == 401
    assert answer.json["reason"] == "Unauthorized"


async def test_a_write_without_credentials_stores_nothing(nobody, admin, namespace):
    refused = await nobody.create(namespace, capture())

    assert refused.code == 401
    assert (await admin.get(collection(namespace))).json["items"] == []


async def test_the_front_proxy_speaks_for_its_users(session, server, installation):
    proxy = Client(session, server.url, installation.proxy())

    answer = await proxy.request("GET", collection(), headers=REMOTE_ADMIN)

    assert answer.code == 200


async def test_a_front_proxy_that_names_no_user_is_nobody(session, server, installation):
    proxy = Client(session, server.url, installation.proxy())

    assert (await proxy.get(collection())).code == 401


async def test_a_certificate_of_the_proxys_ca_with_another_name_is_nobody(
    session, server, installation
):
    client = Client(session, server.url, installation.proxy("somebody"))

    assert (await client.request("GET", collection(), headers=REMOTE_ADMIN)).code == 401


async def test_forged_headers_do_not_raise_a_user_with_a_certificate(
    session, server, installation
):
    client = Client(session, server.url, installation.user("bob"))

    answer = await client.request("GET", collection(), headers=REMOTE_ADMIN)

    assert answer.code == 403
    assert 'User "bob" cannot list resource "packetcaptures"' in answer.json["message"]


async def test_a_certificate_of_a_strangers_ca_is_nobodys(session, server, installation):
    client = Client(session, server.url, installation.stranger())

    assert (await client.request("GET", collection(), headers=REMOTE_ADMIN)).code == 401
    assert (await client.get("/readyz")).code == 200


async def test_nobody_speaks_for_another_by_a_header(admin):
    answer = await admin.request("GET", collection(), headers={"Impersonate-User": "bob"})

    assert (answer.code, answer.json["reason"]) == (403, "Forbidden")


async def test_a_node_may_follow_captures_and_not_write_them(
    session, server, installation, namespace
):
    node = Client(session, server.url, installation.node("n1"))

    assert (await node.get(collection(), view="spec")).code == 200
    assert (await node.create(namespace, capture())).code == 403
    assert (await node.delete(collection(namespace, "http"))).code == 403
    assert (await node.get(collection(namespace, "http", "files"))).code == 403


async def test_the_audit_id_of_a_request_comes_back(admin):
    given = await admin.request("GET", GROUP, headers={"Audit-ID": "abc"})
    made = await admin.get(GROUP)

    assert given.headers["Audit-Id"] == "abc"
    assert len(made.headers["Audit-Id"]) == 36
