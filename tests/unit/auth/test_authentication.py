from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from apiserver.auth.authentication import Authenticator, RequestHeaderRules
from apiserver.auth.certificates import Authority
from apiserver.auth.identity import User
from apiserver.pki import Identity, issue, new_authority

NOW = datetime(2026, 1, 2, tzinfo=UTC)
DAY = timedelta(days=1)
CLIENTS = new_authority("clients", now=NOW, lifetime=DAY)
PROXIES = new_authority("proxies", now=NOW, lifetime=DAY)
STRANGERS = new_authority("strangers", now=NOW, lifetime=DAY)
AUTHENTICATOR = Authenticator(
    client_authority=Authority(CLIENTS.certificate),
    request_header=RequestHeaderRules(
        Authority(PROXIES.certificate), allowed_names=("front-proxy-client",)
    ),
)
HEADERS = {
    "x-remote-user": ("alice",),
    "x-remote-group": ("dev", "ops"),
    "x-remote-uid": ("7",),
    "x-remote-extra-example.com%2ffoo": ("1", "2"),
}


def certificate(authority, common_name, *organizations):
    pair = issue(authority, Identity(common_name, organizations), now=NOW, lifetime=DAY)
    return x509.load_pem_x509_certificate(pair.certificate).public_bytes(Encoding.DER)


def user(der, headers=(), now=NOW):
    return AUTHENTICATOR.user_of(der, dict(headers), now=now)


def test_the_front_proxy_speaks_for_users():
    assert user(certificate(PROXIES, "front-proxy-client"), HEADERS) == User(
        name="alice",
        groups=("dev", "ops", "system:authenticated"),
        uid="7",
        extra={"example.com/foo": ("1", "2")},
    )


def test_a_client_certificate_names_its_user_and_groups():
    der = certificate(CLIENTS, "bob", "system:masters")

    assert user(der) == User("bob", ("system:masters", "system:authenticated"))


def test_headers_of_anybody_else_do_not_count():
    assert user(certificate(CLIENTS, "bob"), HEADERS) == User("bob", ("system:authenticated",))


@pytest.mark.parametrize(
    "der",
    [
        pytest.param(None, id="no certificate"),
        pytest.param(b"garbage", id="no certificate at all"),
        pytest.param(certificate(STRANGERS, "front-proxy-client"), id="of another CA"),
        pytest.param(certificate(PROXIES, "somebody"), id="of the proxy's CA with a wrong name"),
    ],
)
def test_without_a_credential_that_counts_there_is_nobody(der):
    assert user(der, HEADERS) is None


@pytest.mark.parametrize("headers", [{}, {"x-remote-user": ("",)}])
def test_a_front_proxy_that_names_nobody_is_nobody(headers):
    assert user(certificate(PROXIES, "front-proxy-client"), headers) is None


def test_an_expired_certificate_counts_no_more():
    assert user(certificate(CLIENTS, "bob"), now=NOW + 2 * DAY) is None


def test_a_serving_certificate_of_the_same_ca_is_a_client_too_but_a_ca_is_not():
    authority = x509.load_pem_x509_certificate(CLIENTS.certificate)

    assert user(authority.public_bytes(Encoding.DER)) is None
