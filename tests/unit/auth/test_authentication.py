from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtensionOID

from apiserver.auth.authentication import Authenticator, RefusedTokenError
from apiserver.auth.certificates import Authority
from apiserver.auth.identity import User
from apiserver.auth.requestheader import RequestHeaderRules
from apiserver.auth.reviews import ReviewError
from apiserver.auth.trust import Trust
from apiserver.pki import Identity, issue, new_authority

NOW = datetime(2026, 1, 2, tzinfo=UTC)
DAY = timedelta(days=1)
CLIENTS = new_authority("clients", now=NOW, lifetime=DAY)
PROXIES = new_authority("proxies", now=NOW, lifetime=DAY)
STRANGERS = new_authority("strangers", now=NOW, lifetime=DAY)
TRUST = Trust(
    client_authority=Authority(CLIENTS.certificate),
    request_header=RequestHeaderRules(
        Authority(PROXIES.certificate), allowed_names=("front-proxy-client",)
    ),
)


class Tokens:
    """One token that counts, and one that nobody can judge."""

    async def user_of(self, token):
        if token == "unknown":
            raise ReviewError("away")
        return User("robot", ("bots",)) if token == "secret" else None


AUTHENTICATOR = Authenticator(lambda: TRUST, Tokens())
HEADERS = {
    "x-remote-user": ("alice",),
    "x-remote-group": ("dev", "ops"),
    "x-remote-uid": ("7",),
    "x-remote-extra-example.com%2ffoo": ("1", "2"),
}


def certificate(authority, common_name, *organizations):
    pair = issue(authority, Identity(common_name, organizations), now=NOW, lifetime=DAY)
    return x509.load_pem_x509_certificate(pair.certificate).public_bytes(Encoding.DER)


async def user(der, headers=(), now=NOW):
    return await AUTHENTICATOR.user_of(der, dict(headers), now=now)


def bearer(text):
    return {"authorization": (text,)}


async def test_the_front_proxy_speaks_for_users():
    assert await user(certificate(PROXIES, "front-proxy-client"), HEADERS) == User(
        name="alice",
        groups=("dev", "ops", "system:authenticated"),
        uid="7",
        extra={"example.com/foo": ("1", "2")},
    )


async def test_a_client_certificate_names_its_user_and_groups():
    der = certificate(CLIENTS, "bob", "system:masters")

    found = await user(der)

    assert found.name == "bob"
    assert found.groups == ("system:masters", "system:authenticated")
    assert found.extra == {
        "authentication.kubernetes.io/credential-id": (f"X509SHA256={sha256(der).hexdigest()}",)
    }


async def test_headers_of_anybody_else_do_not_count():
    found = await user(certificate(CLIENTS, "bob"), HEADERS)

    assert (found.name, found.groups) == ("bob", ("system:authenticated",))


@pytest.mark.parametrize(
    "der",
    [
        pytest.param(None, id="no certificate"),
        pytest.param(b"garbage", id="no certificate at all"),
        pytest.param(certificate(STRANGERS, "front-proxy-client"), id="of another CA"),
        pytest.param(certificate(PROXIES, "somebody"), id="of the proxy's CA with a wrong name"),
    ],
)
async def test_without_a_credential_that_counts_there_is_nobody(der):
    assert await user(der, HEADERS) is None


@pytest.mark.parametrize("headers", [{}, {"x-remote-user": ("",)}])
async def test_a_front_proxy_that_names_nobody_is_nobody(headers):
    assert await user(certificate(PROXIES, "front-proxy-client"), headers) is None


async def test_an_expired_certificate_counts_no_more():
    assert await user(certificate(CLIENTS, "bob"), now=NOW + 2 * DAY) is None


async def test_a_serving_certificate_of_the_same_ca_is_a_client_too_but_a_ca_is_not():
    authority = x509.load_pem_x509_certificate(CLIENTS.certificate)

    assert await user(authority.public_bytes(Encoding.DER)) is None


@pytest.mark.parametrize("text", ["Bearer secret", "bearer secret", " Bearer secret and more"])
async def test_a_token_names_its_user(text):
    assert await user(None, bearer(text)) == User("robot", ("bots", "system:authenticated"))


async def test_a_token_helps_whose_certificate_does_not_count():
    found = await user(certificate(STRANGERS, "bob"), bearer("Bearer secret"))

    assert found.name == "robot"


async def test_a_certificate_that_counts_comes_before_any_token():
    found = await user(certificate(CLIENTS, "bob"), bearer("Bearer garbage"))

    assert found.name == "bob"


async def test_a_token_that_is_nobodys_is_refused():
    with pytest.raises(RefusedTokenError):
        await user(None, bearer("Bearer garbage"))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Bearer unknown", id="nobody can judge it"),
        pytest.param("Bearer ", id="empty"),
        pytest.param("Basic secret", id="another scheme"),
        pytest.param("secret", id="no scheme"),
    ],
)
async def test_without_a_token_that_counts_there_is_nobody(text):
    assert await user(None, bearer(text)) is None


async def test_where_tokens_cannot_be_judged_they_do_not_count():
    alone = Authenticator(lambda: TRUST)

    assert await alone.user_of(None, bearer("Bearer secret"), now=NOW) is None


async def test_who_is_trusted_is_asked_anew_for_each_request():
    trust = [Trust(), TRUST]
    changing = Authenticator(lambda: trust.pop(0))
    der = certificate(CLIENTS, "bob")

    before = await changing.user_of(der, {}, now=NOW)
    after = await changing.user_of(der, {}, now=NOW)

    assert before is None
    assert after is not None


def unreadable(authority) -> bytes:
    """Make a client's certificate with a name of a kind that nobody reads (x400Address)."""
    names = x509.UnrecognizedExtension(
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"\x30\x04\xa3\x02\x05\x00"
    )
    issuer = x509.load_pem_x509_certificate(authority.certificate)
    key = load_pem_private_key(authority.key, None)
    assert isinstance(key, EllipticCurvePrivateKey)
    return (
        x509.CertificateBuilder(issuer.subject, issuer.subject, key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + DAY)
        .add_extension(names, critical=False)
        .sign(key, SHA256())
        .public_bytes(Encoding.DER)
    )


@pytest.mark.parametrize(
    "der",
    [
        pytest.param(b"\x30\x00", id="no certificate"),
        pytest.param(unreadable(CLIENTS), id="one with parts that cannot be read"),
        pytest.param(
            certificate(CLIENTS, "alice").replace(
                b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x7f"
            ),
            id="one of another version",
        ),
    ],
)
async def test_a_certificate_that_cannot_be_read_is_nobodys(der):
    assert await AUTHENTICATOR.user_of(der, HEADERS, now=NOW) is None


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        pytest.param("system:anonymous", ("system:unauthenticated",), id="as Kubernetes says it"),
        pytest.param("system:anonymous", (), id="by name alone"),
        pytest.param("nobody", ("system:unauthenticated",), id="by group alone"),
    ],
)
async def test_whom_the_front_proxy_does_not_know_is_not_made_known_here(name, groups):
    headers = {"x-remote-user": (name,), "x-remote-group": groups}
    proxy = certificate(PROXIES, "front-proxy-client")

    user = await AUTHENTICATOR.user_of(proxy, headers, now=NOW)

    assert user is not None
    assert user.groups == groups
