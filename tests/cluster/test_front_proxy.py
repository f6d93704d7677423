"""Past kube-apiserver: whoever reaches the API server's pod itself is who they can prove to be."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from tests.cluster import captures
from tests.cluster.callers import (
    Caller,
    Server,
    administrator,
    bearer,
    new_token,
    product_server,
)
from tests.cluster.cluster import Cluster
from tests.cluster.pki import Authorities, Pair
from tests.support.client import GROUP, capture, collection

NAME = "known-to-few"
PROXY = "front-proxy-client"
MASTER = {"X-Remote-User": "admin", "X-Remote-Group": "system:masters"}
PAST = timedelta(minutes=-1)

STRANGERS: dict[str, Callable[[Authorities], Pair | None]] = {
    "no certificate": lambda _: None,
    "the proxy's name of an unknown CA": lambda it: it.stranger.issue(PROXY),
    "another name of the proxy's CA": lambda it: it.front_proxy.issue("somebody"),
    "an expired one of the proxy": lambda it: it.front_proxy.issue(PROXY, lifetime=PAST),
    "an expired one of a user": lambda it: it.cluster.issue("user", lifetime=PAST),
}


@pytest.fixture(scope="module")
def server(product: Cluster) -> Server:
    """The API server at its pod's address."""
    return product_server(product)


@pytest.fixture(scope="module")
def namespace(product: Cluster) -> Iterator[str]:
    """A namespace with a capture, NAME."""
    with product.namespace() as namespace:
        captures.create(product, namespace, name=NAME)
        yield namespace


@pytest.mark.parametrize("shown", STRANGERS)
def test_forged_headers_make_nobody_somebody(product, server, namespace, shown):
    caller = Caller(server, STRANGERS[shown](product.authorities), MASTER)
    paths = [
        *("/", "/apis", GROUP, "/openapi/v3", "/metrics", "/version"),
        *(collection(), collection(namespace), collection(namespace, NAME)),
        *(f"{collection()}?watch=true", collection(namespace, NAME, "files")),
    ]

    answers = [caller.get(path) for path in paths]

    assert {answer.code for answer in answers} == {401}
    assert {answer.json["reason"] for answer in answers} == {"Unauthorized"}
    assert not any(NAME.encode() in answer.body for answer in answers)


@pytest.mark.parametrize("shown", STRANGERS)
def test_forged_headers_change_nothing(product, server, namespace, shown):
    caller = Caller(server, STRANGERS[shown](product.authorities), MASTER)

    codes = {
        caller.request("POST", collection(namespace), capture("forged")).code,
        caller.patch(collection(namespace, NAME), {"spec": {"selector": "none"}}).code,
        caller.request("DELETE", collection(namespace, NAME)).code,
    }

    (left,) = administrator(product).get(collection(namespace)).json["items"]
    assert codes == {401}
    assert (left["metadata"]["name"], left["metadata"]["generation"]) == (NAME, 1)


def test_the_front_proxy_speaks_for_its_users(product, server, namespace):
    proxy = Caller(server, product.authorities.front_proxy.issue(PROXY))
    path = collection(namespace, NAME)

    master = proxy.request("GET", path, headers=MASTER)
    user = proxy.request("GET", path, headers={"X-Remote-User": "user"})
    nobody = proxy.get(path)

    assert (master.code, user.code, nobody.code) == (200, 403, 401)
    assert 'User "user" cannot get resource' in user.json["message"]


@pytest.mark.parametrize("name", ["user", PROXY])
def test_who_has_a_certificate_of_the_clusters_is_that_user_whatever_the_headers_say(
    product, server, namespace, name
):
    caller = Caller(server, product.authorities.cluster.issue(name), MASTER)

    answer = caller.get(collection(namespace, NAME))

    assert answer.code == 403
    assert f'User "{name}" cannot get resource "packetcaptures"' in answer.json["message"]


def test_who_has_a_token_is_that_account_whatever_the_headers_say(product, server, namespace):
    token = new_token(product, namespace, "default")
    caller = Caller(server, headers=MASTER | bearer(token))

    answer = caller.get(collection(namespace, NAME))

    assert answer.code == 403
    assert f'User "system:serviceaccount:{namespace}:default"' in answer.json["message"]


def test_a_token_that_is_nobodys_is_refused(server):
    answer = Caller(server, headers=MASTER | bearer("nobodys")).get(GROUP)

    assert (answer.code, answer.json["reason"]) == (401, "Unauthorized")


def test_a_token_for_somebody_elses_ears_is_refused(product, server, namespace):
    token = new_token(product, namespace, "default", "--audience=elsewhere")

    answer = Caller(server, headers=bearer(token)).get(GROUP)

    assert (answer.code, answer.json["reason"]) == (401, "Unauthorized")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
@pytest.mark.parametrize("shown", STRANGERS)
def test_health_is_told_to_everybody_and_in_detail_to_nobody_unknown(product, server, shown, path):
    caller = Caller(server, STRANGERS[shown](product.authorities), MASTER)

    plain, verbose = caller.get(path), caller.get(f"{path}?verbose")

    assert (plain.code, plain.body) == (200, b"ok")
    assert (verbose.code, verbose.body) == (200, b"ok")


def test_health_is_told_in_detail_to_those_who_are_known(product, server, namespace):
    caller = Caller(server, headers=bearer(new_token(product, namespace, "default")))

    answer = caller.get("/readyz?verbose")

    assert b"[+]storage ok" in answer.body
    assert answer.body.endswith(b"readyz check passed\n")
