"""A. Registration and aggregation."""

import asyncio
import http.client
import ssl
import time
import warnings
from contextlib import ExitStack

import pytest

from apiserver.serving.tls import PemPair, load_pair
from tests.cluster.operating import get_apiservice, is_available, until_apiservice
from tests.cluster.pki import new_authority
from tests.conformance.checks import check, disruptive, patient
from tests.conformance.doors import MASTERS
from tests.conformance.server import HOST_NAME, NAMESPACE, endpoints, open_server
from tests.support.client import GROUP, collection

PROXY = "front-proxy-client"
PROBE = {"X-Remote-User": "system:kube-aggregator", "X-Remote-Group": MASTERS}
TRUST = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
TRUSTED = "requestheader-client-ca-file"
NOBODY_LISTENS = 1
REFUSED = 0


@pytest.fixture
def showing(doors, session):
    """How to show a certificate, or none, to the server itself."""
    return lambda pair: doors["direct"].client(session, pair)


@pytest.fixture
def front_proxy(cluster):
    """The CA of the front proxy."""
    return cluster.authorities.front_proxy


@check(1)
def test_the_apiservice_is_available(cluster, server):
    cluster.wait("condition=Available", "apiservice/v3.projectcalico.org", seconds=30)

    assert is_available(get_apiservice(cluster), reason="Passed")


@check(2)
async def test_the_aggregators_probe_is_answered_at_once(showing, front_proxy):
    async with asyncio.timeout(1):
        answer = await showing(front_proxy.issue(PROXY)).request("GET", GROUP, headers=PROBE)

    assert answer.code == 200


@check(3)
@pytest.mark.parametrize("path", [GROUP, collection(), "/apis", "/metrics"])
async def test_headers_without_a_certificate_name_nobody(showing, path):
    answer = await showing(None).request("GET", path, headers=PROBE)

    assert answer.code in {401, 403}


@check(4)
async def test_a_clients_certificate_wins_over_headers(showing, cluster, namespace):
    client = showing(cluster.authorities.cluster.issue("x"))
    headers = {"X-Remote-User": "admin", "X-Remote-Group": MASTERS}

    answer = await client.request("GET", collection(namespace), headers=headers)

    assert answer.code == 403
    assert 'User "x" cannot list' in answer.json["message"]


@check(5)
async def test_another_name_of_the_front_proxys_ca_is_refused(showing, front_proxy):
    answer = await showing(front_proxy.issue("somebody")).request("GET", GROUP, headers=PROBE)

    assert (answer.code, answer.json["reason"]) == (401, "Unauthorized")


@check(6)
def test_a_new_serving_certificate_is_shown_without_a_restart(cluster, server):
    renewed = ssl.PEM_cert_to_DER_cert(server.renew_certificate().certificate.decode())

    shown = b""
    deadline = time.monotonic() + 90
    while shown != renewed and time.monotonic() < deadline:
        shown = ssl.PEM_cert_to_DER_cert(
            ssl.get_server_certificate((server.address, server.port), timeout=10)
        )

    assert shown == renewed
    assert not server.has_ended
    assert is_available(get_apiservice(cluster))


@check(7)
async def test_the_front_proxys_ca_is_exchanged_without_a_restart(showing, kubernetes, server):
    authority = new_authority("new front proxy")
    proxy = showing(authority.issue(PROXY))
    trusted = (await kubernetes.get(TRUST)).json["data"][TRUSTED]

    async def until(code):
        async with asyncio.timeout(30):
            while (await proxy.request("GET", GROUP, headers=PROBE)).code != code:
                pass

    await until(401)
    both = trusted + authority.certificate.decode()
    await kubernetes.patch(TRUST, {"data": {TRUSTED: both}})
    await until(200)
    await kubernetes.patch(TRUST, {"data": {TRUSTED: trusted}})
    await until(401)

    assert not server.has_ended


@check(8)
async def test_the_certificate_has_the_services_name(server):
    tls = ssl.create_default_context(cadata=server.authority.certificate.decode())

    async with asyncio.timeout(10):
        _, writer = await asyncio.open_connection(
            server.address, server.port, ssl=tls, server_hostname=HOST_NAME
        )
    names = writer.get_extra_info("peercert")["subjectAltName"]
    writer.close()
    await writer.wait_closed()

    assert ("DNS", HOST_NAME) in names


@check(8)
async def test_tls_1_1_is_refused(server):
    tls = ssl.create_default_context(cadata=server.authority.certificate.decode())
    # Without this it is the client that refuses.
    tls.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        tls.minimum_version = tls.maximum_version = ssl.TLSVersion.TLSv1_1

    # A connection that is closed before its last words are sent is reset.
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        await asyncio.open_connection(
            server.address, server.port, ssl=tls, server_hostname=HOST_NAME
        )


@check(9)
@patient("idling")
def test_a_connection_that_has_idled_is_served(idling):
    assert idling.result(timeout=120) == 200


@check(10)
async def test_a_user_may_be_in_300_groups(as_user, user, rights, namespace):
    await rights.allow(user, ["list"], namespace=namespace)

    answer = await as_user(user, *(f"group-{i}" for i in range(300))).get(collection(namespace))

    assert answer.code == 200


@check(10)
async def test_a_query_may_be_long(admin, namespace):
    answer = await admin.get(collection(namespace), unknown="x" * 100 * 1024)

    assert (answer.code, answer.json["items"]) == (200, [])


@check(11)
@disruptive()
async def test_cut_off_the_api_is_503_and_recovers_by_itself(cluster, server, kubernetes):
    def route_to(port):
        cluster.apply(endpoints(server.address, port), namespace=NAMESPACE)

    with ExitStack() as stack:
        stack.callback(route_to, server.port)
        route_to(NOBODY_LISTENS)
        until_apiservice(cluster, lambda it: _reason(it) == "FailedDiscoveryCheck", seconds=60)
        cut_off = await kubernetes.get(collection())
    until_apiservice(cluster, is_available, seconds=60)
    async with asyncio.timeout(10):
        while (await kubernetes.get(collection())).code != 200:
            pass

    assert cut_off.code == 503


def _reason(apiservice):
    conditions = apiservice.get("status", {}).get("conditions", [])
    return "".join(each["reason"] for each in conditions if each["type"] == "Available")


@check(12)
def test_while_the_server_starts_nothing_is_missing(cluster, tmp_path, ports):
    pair = cluster.authorities.cluster.issue("admin", organizations=[MASTERS])
    paths = [
        *("/apis", GROUP, collection(), collection("default")),
        *("/openapi/v2", "/openapi/v3", f"/openapi/v3{GROUP}"),
    ]
    seen: dict[str, list[int]] = {path: [] for path in paths}

    with open_server(
        cluster, tmp_path, authority=new_authority("starting"), port=next(ports)
    ) as server:
        deadline = time.monotonic() + 30
        while {code for codes in seen.values() for code in codes[-1:]} != {200}:
            assert not server.has_ended
            assert time.monotonic() < deadline, {path: codes[-1] for path, codes in seen.items()}
            for path, codes in seen.items():
                codes.append(_status(server, pair, path))

    assert {code for codes in seen.values() for code in codes} <= {REFUSED, 503, 200}


def _status(server, pair, path):
    """Ask a server whose certificate may not be there yet; REFUSED if it does not listen."""
    tls = ssl._create_unverified_context()
    load_pair(tls, PemPair(pair.certificate, pair.key))
    connection = http.client.HTTPSConnection(server.address, server.port, context=tls, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except ConnectionRefusedError:
        return REFUSED
    finally:
        connection.close()
