"""The ConfigMap that says whose certificates count: read, and followed as it changes."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from apiserver.auth.certificates import Authority
from apiserver.auth.requestheader import RequestHeaderRules
from apiserver.auth.trust import NAME, PATH, Trust, UnfitTrustError, following_trust, parse_trust
from apiserver.pki import Identity, issue, new_authority
from apiserver.upstream.client import open_client
from tests.fakes.cluster_api import ClusterAPI, serving
from tests.fakes.kubernetes_api import write_kubeconfig

NOW = datetime(2026, 1, 2, tzinfo=UTC)
DAY = timedelta(days=1)
OLD = new_authority("old proxies", now=NOW, lifetime=DAY)
NEW = new_authority("new proxies", now=NOW, lifetime=DAY)
CLIENTS = new_authority("clients", now=NOW, lifetime=DAY)


def published(proxies=OLD, **changed):
    data = {
        "client-ca-file": CLIENTS.certificate.decode(),
        "requestheader-client-ca-file": proxies.certificate.decode(),
        "requestheader-username-headers": '["X-Remote-User"]',
        "requestheader-group-headers": '["X-Remote-Group"]',
        "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
        "requestheader-allowed-names": '["front-proxy-client"]',
    }
    renamed = {key.replace("_", "-"): value for key, value in changed.items()}
    return {key: value for key, value in (data | renamed).items() if value is not None}


def config_map(data):
    return {"metadata": {"name": NAME}, "data": data}


def proxy_of(authority):
    pair = issue(authority, Identity("front-proxy-client"), now=NOW, lifetime=DAY)
    return x509.load_pem_x509_certificate(pair.certificate)


def speaks(trust, authority):
    """Say whether a front proxy of this CA is believed."""
    rules = trust.current().request_header
    if rules is None:
        return False
    headers = {"x-remote-user": ("alice",)}
    return rules.user_of(proxy_of(authority), headers, now=NOW) is not None


def test_what_is_published_is_read():
    trust = parse_trust(published(requestheader_uid_headers='["X-Remote-Uid"]'))

    assert trust.client_authority is not None
    assert trust.request_header is not None
    assert trust.request_header.allowed_names == ("front-proxy-client",)
    assert trust.request_header.username_headers == ("x-remote-user",)
    assert trust.request_header.group_headers == ("x-remote-group",)
    assert trust.request_header.extra_prefixes == ("x-remote-extra-",)
    assert trust.request_header.uid_headers == ("x-remote-uid",)


def test_what_is_absent_is_off():
    assert parse_trust({}) == Trust()
    assert parse_trust(published(requestheader_client_ca_file=None)).request_header is None


def test_older_clusters_name_no_header_for_uids():
    rules = parse_trust(published()).request_header

    assert rules is not None
    assert rules.uid_headers == ()


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        pytest.param({"client_ca_file": "garbage"}, "client-ca-file", id="not PEM"),
        pytest.param(
            {"requestheader_client_ca_file": "x"}, "requestheader-client-ca-file", id="not PEM too"
        ),
        pytest.param(
            {"requestheader_allowed_names": "[front-proxy-client]"},
            "requestheader-allowed-names",
            id="not JSON",
        ),
        pytest.param(
            {"requestheader_group_headers": '"X-Remote-Group"'},
            "requestheader-group-headers",
            id="not an array",
        ),
        pytest.param(
            {"requestheader_username_headers": json.dumps(["a", 1])},
            "requestheader-username-headers",
            id="not strings",
        ),
    ],
)
def test_what_cannot_be_read_is_said_by_its_key(changed, key):
    with pytest.raises(UnfitTrustError) as caught:
        parse_trust(published(**changed))

    assert caught.value.key == key


@pytest.fixture
async def api():
    async with serving(ClusterAPI()) as running:
        yield running


@pytest.fixture
async def client(api, tmp_path):
    config = await asyncio.to_thread(write_kubeconfig, tmp_path / "config", api.url)
    async with open_client(config) as opened:
        yield opened


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is awaited has no event of its own
            await asyncio.sleep(0)


async def test_an_exchanged_ca_counts_at_once_and_the_old_one_no_more(api, client):
    await api.create(PATH, config_map(published(OLD)))
    async with following_trust(client) as trust:
        await until(lambda: speaks(trust, OLD))

        await api.replace(f"{PATH}/{NAME}", config_map(published(NEW)))
        await until(lambda: speaks(trust, NEW))

        assert not speaks(trust, OLD)
        assert trust.problem == ""


async def test_what_is_unfit_changes_nothing_and_is_logged(api, client, caplog):
    await api.create(PATH, config_map(published(OLD)))
    async with following_trust(client) as trust:
        await until(lambda: speaks(trust, OLD))

        unfit = config_map(published(NEW, requestheader_client_ca_file="garbage"))
        await api.replace(f"{PATH}/{NAME}", unfit)
        await until(
            lambda: any(
                "requestheader-client-ca-file" in str(vars(each)) for each in caplog.records
            )
        )

        assert speaks(trust, OLD)
        assert trust.problem == ""


async def test_without_keys_for_a_front_proxy_its_headers_are_off(api, client):
    await api.create(PATH, config_map(published(OLD)))
    async with following_trust(client) as trust:
        await until(lambda: speaks(trust, OLD))

        off = config_map(published(requestheader_client_ca_file=None))
        await api.replace(f"{PATH}/{NAME}", off)
        await until(lambda: not speaks(trust, OLD))

        assert trust.current().client_authority is not None
        assert "--requestheader-client-ca-file" in trust.problem


async def test_a_missing_config_map_is_a_problem_that_says_what_to_do(api, client):
    async with following_trust(client) as trust:
        before = trust.problem
        await until(lambda: trust.problem != before)
        assert "kube-apiserver writes it" in trust.problem

        await api.create(PATH, config_map(published()))
        await until(lambda: not trust.problem)

        assert speaks(trust, OLD)


async def test_a_deleted_config_map_changes_nothing(api, client, caplog):
    await api.create(PATH, config_map(published()))
    async with following_trust(client) as trust:
        await until(lambda: speaks(trust, OLD))

        await api.delete(f"{PATH}/{NAME}")
        await until(lambda: any("does not exist" in str(vars(each)) for each in caplog.records))

        assert speaks(trust, OLD)
        assert trust.problem == ""


async def test_a_server_that_may_not_read_says_which_role_it_needs(api, client):
    api.refusals["GET", PATH] = (403, "Forbidden")
    async with following_trust(client) as trust:
        await until(lambda: "Forbidden" in trust.problem)

        assert "extension-apiserver-authentication-reader" in trust.problem


async def test_what_is_fixed_overrules_the_cluster(api, client):
    fixed = Trust(request_header=RequestHeaderRules(Authority(NEW.certificate)))
    await api.create(PATH, config_map(published(OLD)))
    async with following_trust(client, fixed=fixed) as trust:
        assert trust.problem == ""
        await until(lambda: trust.current().client_authority is not None)

        assert speaks(trust, NEW)
        assert not speaks(trust, OLD)
