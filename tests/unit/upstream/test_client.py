import asyncio
import ssl
from datetime import timedelta

import pytest
import yaml
from kubernetes_asyncio.client import ApiClient
from kubernetes_asyncio.config import ConfigException

from apiserver.pki import Identity, issue, new_authority
from apiserver.serving.clock import utc_now
from apiserver.serving.tls import ServerTLS, TLSFiles
from apiserver.upstream.client import (
    MAX_LINE_BYTES,
    ApiStatusError,
    Client,
    KubeconfigError,
    ServiceAccountError,
    UnreachableError,
    open_client,
    open_in_cluster_client,
)
from tests.fakes.kubernetes_api import (
    Ending,
    KubernetesAPI,
    Reply,
    Stream,
    a_list,
    a_status,
    an_event,
    an_object,
    serving,
    write_kubeconfig,
)

PATH = "/apis/projectcalico.org/v3/packetcaptures"


async def test_a_document_is_read_with_its_query(api, client):
    api.lists.append(Reply({"kind": "X"}))

    assert await client.get_json(PATH, {"view": "spec"}) == {"kind": "X"}
    assert (api.asked[0].path, api.asked[0].query) == (PATH, {"view": "spec"})
    assert api.asked[0].user_agent == "packetcapture"


async def test_a_document_is_created(api, client):
    assert await client.create(PATH, {"kind": "X", "spec": {"n": 1}}) == api.asked[0].document
    assert api.asked[0].method == "POST"


@pytest.mark.parametrize(
    ("send", "method", "media"),
    [
        pytest.param(Client.replace, "PUT", "application/json", id="replaced"),
        pytest.param(Client.merge_patch, "PATCH", "application/merge-patch+json", id="patched"),
        pytest.param(Client.delete, "DELETE", "application/json", id="deleted"),
    ],
)
async def test_an_object_is_changed_in_each_way(api, client, send, method, media):
    api.lists.append(Reply({"kind": "X"}))

    answer = await send(client, f"{PATH}/x", {"metadata": {"uid": "u"}})

    asked = api.asked[0]
    assert answer == {"kind": "X"}
    assert (asked.method, asked.path, asked.media) == (method, f"{PATH}/x", media)
    assert asked.document == {"metadata": {"uid": "u"}}


async def test_outside_a_pod_it_is_said_what_to_do():
    with pytest.raises(ServiceAccountError, match="--kubeconfig"):
        async with open_in_cluster_client():
            pass


async def test_a_refusal_carries_code_reason_and_wait(api, client):
    api.lists.append(Reply(a_status(429, "TooManyRequests", "later", retry_after=7), 429))

    with pytest.raises(ApiStatusError) as caught:
        await client.get_json(PATH)

    error = caught.value
    assert (error.code, error.reason, error.message) == (429, "TooManyRequests", "later")
    assert error.retry_after == 7
    assert error.causes == frozenset()


async def test_a_refusal_carries_the_reasons_of_its_causes(api, client):
    status = a_status(403, "Forbidden", "no")
    status["details"] = {"causes": [{"reason": "NamespaceTerminating", "field": "x"}, None]}
    api.lists.append(Reply(status, 403))

    with pytest.raises(ApiStatusError) as caught:
        await client.get_json(PATH)

    assert caught.value.causes == {"NamespaceTerminating"}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<html>secret</html>", id="no JSON"),
        pytest.param(b'{"secret":1}', id="no Status"),
    ],
)
async def test_a_refusal_that_is_no_status_is_not_repeated(api, client, body):
    api.lists.append(Reply(body, 502))

    with pytest.raises(ApiStatusError) as caught:
        await client.get_json(PATH)

    assert caught.value.code == 502
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("body", [b"nonsense", b"[1]"])
async def test_an_answer_that_is_no_document_counts_as_none(api, client, body):
    api.lists.append(Reply(body))

    with pytest.raises(UnreachableError):
        await client.get_json(PATH)


async def test_a_server_that_is_not_there_is_unreachable(tmp_path):
    config = write_kubeconfig(tmp_path / "config", "http://127.0.0.1:1")

    async with open_client(config) as client:
        with pytest.raises(UnreachableError):
            await client.get_json(PATH)


async def test_a_stream_gives_its_lines_however_long_until_it_ends(api, client):
    long = an_object("x" * 3_000_000)
    lines = an_event("ADDED", an_object("a")) + an_event("ADDED", long)
    api.watches.append(Stream((lines[:20], lines[20:]), Ending.CLEAN))

    async with client.stream_lines(PATH, {"watch": "true"}) as events:
        found = [event async for event in events]

    assert [event["object"] for event in found] == [an_object("a"), long]


@pytest.mark.parametrize("ending", [Ending.CLEAN, Ending.CUT])
async def test_a_stream_that_ends_within_a_line_is_told(api, client, ending):
    api.watches.append(Stream((an_event("ADDED", an_object("a")), b'{"type":'), ending))

    found = []
    with pytest.raises(UnreachableError):
        async with client.stream_lines(PATH, {"watch": "true"}) as events:
            found.extend([event async for event in events])


async def test_a_line_without_end_is_refused(api, client):
    chunk = b"x" * 2**20
    api.watches.append(Stream((chunk,) * (MAX_LINE_BYTES // len(chunk) + 1)))

    with pytest.raises(UnreachableError, match="longer than"):
        async with client.stream_lines(PATH, {"watch": "true"}) as events:
            await anext(events)


async def test_a_refused_stream_is_told_at_the_door(api, client):
    api.watches.append(Reply(a_status(410, "Expired"), 410))

    with pytest.raises(ApiStatusError) as caught:
        async with client.stream_lines(PATH, {"watch": "true"}):
            pass

    assert caught.value.code == 410


async def test_a_stream_can_be_left_while_it_is_silent(api, client):
    async with asyncio.timeout(5):
        async with client.stream_lines(PATH, {"watch": "true"}):
            pass


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(None, id="absent"),
        pytest.param("", id="empty"),
        pytest.param("[", id="no YAML"),
        pytest.param("- a", id="no object"),
        pytest.param("current-context: a\nclusters: []\ncontexts: []\nusers: []", id="dangling"),
        pytest.param("current-context: a\nclusters: 1\ncontexts: 2\nusers: 3", id="other types"),
    ],
)
async def test_a_kubeconfig_that_cannot_be_used_is_named(tmp_path, text):
    path = tmp_path / "config"
    if text is not None:
        path.write_text(text)

    with pytest.raises(KubeconfigError) as caught:
        async with open_client(path):
            pass

    assert caught.value.path == path


async def test_credentials_that_must_be_fetched_are_refused(tmp_path):
    path = write_kubeconfig(tmp_path / "config", "https://127.0.0.1:1")
    document = yaml.safe_load(path.read_text())
    document["users"][0]["user"] = {
        "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "true"}
    }
    path.write_text(yaml.safe_dump(document))

    with pytest.raises(KubeconfigError, match="not exec"):
        async with open_client(path):
            pass


async def test_a_token_is_sent(api, tmp_path):
    api.lists.append(a_list())
    config = write_kubeconfig(tmp_path / "config", api.url, user={"token": "t0k3n"})

    async with open_client(config) as client:
        await client.get_json(PATH)

    assert api.asked[0].authorization == "Bearer t0k3n"


class Credentials:
    """A CA, a server's certificate, and a client's as files."""

    def __init__(self, directory, *, authority=None) -> None:
        now, lifetime = utc_now(), timedelta(hours=1)
        self.authority = authority or new_authority("test", now=now, lifetime=lifetime)
        self.authority_path = directory / "ca.crt"
        self.authority_path.write_bytes(self.authority.certificate)
        self.server = issue(
            self.authority,
            Identity("server", addresses=("127.0.0.1",)),
            now=now,
            lifetime=lifetime,
        )
        self.client = self._write(
            directory / "client",
            issue(self.authority, Identity("agent"), now=now, lifetime=lifetime),
        )

    def _write(self, stem, pair) -> TLSFiles:
        files = TLSFiles(stem.with_suffix(".crt"), stem.with_suffix(".key"))
        files.certificate.write_bytes(pair.certificate)
        files.key.write_bytes(pair.key)
        return files

    def listener(self) -> ssl.SSLContext:
        return ServerTLS.known_clients(self.server, self.authority.certificate).context

    def kubeconfig(self, path, url):
        return write_kubeconfig(
            path,
            url,
            cluster={"certificate-authority": str(self.authority_path)},
            user={
                "client-certificate": str(self.client.certificate),
                "client-key": str(self.client.key),
            },
        )


async def test_both_sides_show_their_certificates(tmp_path):
    credentials = Credentials(tmp_path)
    api = KubernetesAPI()
    api.lists.append(a_list())

    async with (
        serving(api, tls=credentials.listener()),
        open_client(credentials.kubeconfig(tmp_path / "config", api.url)) as client,
    ):
        answer = await client.get_json(PATH)

    assert answer["items"] == []


async def test_a_server_of_another_authority_is_not_believed(tmp_path):
    (tmp_path / "other").mkdir()
    credentials, other = Credentials(tmp_path), Credentials(tmp_path / "other")
    api = KubernetesAPI()

    async with (
        serving(api, tls=other.listener()),
        open_client(credentials.kubeconfig(tmp_path / "config", api.url)) as client,
    ):
        with pytest.raises(UnreachableError, match="certificate verify failed"):
            await client.get_json(PATH)

    assert api.asked == []


async def test_a_token_that_is_gone_for_a_while_is_as_a_server_that_is_away(client, monkeypatch):
    async def find_no_token(*_arguments, **_options):
        raise ConfigException("Token file exists but empty.")

    monkeypatch.setattr(ApiClient, "call_api", find_no_token)

    with pytest.raises(UnreachableError, match="Token file"):
        await client.get_json(PATH)
