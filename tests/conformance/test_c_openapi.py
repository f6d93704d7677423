"""C. OpenAPI."""

import asyncio

import pytest

from tests.cluster.operating import is_available, until_apiservice
from tests.cluster.ready import until_ready
from tests.conformance.checks import check, disruptive
from tests.conformance.server import NAMESPACE, apiservice, endpoints, is_published, open_server
from tests.support.client import GROUP, KEEPS_LITTLE, collection

NAME = "v3.projectcalico.org"
KEY = GROUP.removeprefix("/")
DOCUMENT = f"/openapi/v3{GROUP}"
KIND = {"group": "projectcalico.org", "version": "v3", "kind": "PacketCapture"}
ONE = "/apis/projectcalico.org/v3/namespaces/{namespace}/packetcaptures/{name}"

MANIFEST = """\
apiVersion: projectcalico.org/v3
kind: PacketCapture
metadata:
  name: http
spec:
  selector: all()
  bogus: 1
"""


@check(21)
async def test_the_index_names_the_document_by_its_hash(as_user, user, door):
    client = as_user(user)

    index = (await client.get("/openapi/v3")).json["paths"]
    document = await client.get(DOCUMENT)

    url = index[KEY]["serverRelativeURL"]
    assert url == f"{DOCUMENT}?hash={document.headers['ETag'].strip(chr(34))}"
    assert door.name == "aggregated" or index.keys() == {KEY}


@check(22)
async def test_the_document_of_a_hash_never_changes(admin):
    url = (await admin.get("/openapi/v3")).json["paths"][KEY]["serverRelativeURL"]

    answer = await admin.get(url)

    assert answer.code == 200
    assert "immutable" in ", ".join(answer.headers.getall("Cache-Control"))


@check(22)
async def test_another_hash_is_no_error(admin):
    answer = await admin.get(DOCUMENT, hash="ABC")

    assert answer.code == 200
    assert "immutable" not in ", ".join(answer.headers.getall("Cache-Control", []))
    assert answer.json["openapi"].startswith("3.")


@check(23)
@pytest.mark.parametrize("form", ["{}", "W/{}", '"x", {}'])
async def test_a_document_that_is_known_is_not_sent_again(admin, form):
    tag = (await admin.get(DOCUMENT)).headers["ETag"]

    answer = await admin.request("GET", DOCUMENT, headers={"If-None-Match": form.format(tag)})

    assert (answer.code, answer.body) == (304, b"")


@check(24)
def test_kubectl_explains_every_field(kubectl):
    filters = kubectl("explain", "packetcapture.spec.filters").stdout
    nested = kubectl("explain", "packetcapture.spec.filters", "--recursive").stdout
    kind = kubectl("explain", "packetcapture", "--api-version=projectcalico.org/v3").stdout

    assert "FIELD: filters <[]" in filters
    assert "protocol\t<IntOrString>\n    " in filters
    assert "ports\t<[]IntOrString>" in nested
    assert "KIND:       PacketCapture\nVERSION:    v3" in kind
    # What kubectl writes where there is no description.
    assert not any("<empty>" in said for said in (filters, nested, kind))


@check(25)
async def test_both_patches_are_declared_alike(admin):
    paths = (await admin.get(DOCUMENT)).json["paths"]

    patches = [paths[path]["patch"] for path in (ONE, f"{ONE}/status")]

    for each in patches:
        parameters = [(one.get("name"), one.get("in")) for one in each["parameters"]]
        assert ("fieldValidation", "query") in parameters
        assert each["x-kubernetes-group-version-kind"] == KIND
        assert each["x-kubernetes-action"] == "patch"
    one, other = (set(each["requestBody"]["content"]) for each in patches)
    assert one == other


@check(25)
async def test_every_patch_type_that_is_declared_is_served(admin, namespace):
    paths = (await admin.get(DOCUMENT)).json["paths"]

    for kind in paths[ONE]["patch"]["requestBody"]["content"]:
        answer = await admin.request(
            "PATCH", collection(namespace, "none"), b"[]", content_type=kind
        )

        assert answer.code != 415


@check(26)
def test_kubectl_leaves_validation_to_the_server(kubectl):
    strict = kubectl("create", "-f-", stdin=MANIFEST, fails=True)
    warned = kubectl("create", "-f-", "--validate=warn", stdin=MANIFEST)
    ignored = kubectl(
        "create", "-f-", "--validate=ignore", stdin=MANIFEST.replace("http", "ignored")
    )

    assert "(BadRequest)" in strict.stderr
    assert 'strict decoding error: unknown field "spec.bogus"' in strict.stderr
    kept = f"Warning: {KEEPS_LITTLE}\n"
    assert warned.stderr == f'Warning: unknown field "spec.bogus"\n{kept}'
    assert warned.stdout == "packetcapture.projectcalico.org/http created\n"
    assert (ignored.stderr, ignored.stdout.split()[-1]) == (kept, "created")


@check(27)
async def test_openapi_v2_has_the_kind(doors, session):
    client = doors["direct"].user(session, "somebody")

    answer = await client.request("GET", "/openapi/v2", headers={"Accept": "application/json"})

    assert (answer.code, answer.json["swagger"]) == (200, "2.0")
    kinds = [
        each.get("x-kubernetes-group-version-kind") for each in answer.json["definitions"].values()
    ]
    assert [KIND] in kinds
    assert ONE in answer.json["paths"]


@check(27)
async def test_kube_apiserver_merges_openapi_v2(kubernetes):
    path = ONE.replace("/{name}", "").encode()
    tag, answer = "", None

    async with asyncio.timeout(30):
        while answer is None or path not in answer.body:
            answer = await kubernetes.request("GET", "/openapi/v2", headers={"If-None-Match": tag})
            tag = answer.headers["ETag"]

    assert ONE in answer.json["paths"]


@check(28)
@disruptive()
def test_openapi_that_was_not_ready_at_first_is_served_natively_afterwards(
    cluster, server, ports, tmp_path
):
    asked = cluster.control_plane.kube_apiserver.log.stat().st_size
    with open_server(
        cluster,
        tmp_path,
        authority=server.authority,
        port=next(ports),
        # Without the right to learn whom to trust it is not ready, and says 503 to all.
        kubeconfig=cluster.kubeconfig_for("nobody"),
    ) as unready:
        cluster.kubectl("delete", "apiservice", NAME)
        cluster.apply(endpoints(unready.address, unready.port), namespace=NAMESPACE)
        cluster.apply(apiservice(server.authority))
        until_ready(unready, lambda: _has_failed(cluster, asked))
        published = is_published(cluster)

    cluster.apply(endpoints(server.address, server.port), namespace=NAMESPACE)
    # A change of the APIService has it asked again in a second, and not in a minute.
    cluster.kubectl("annotate", "apiservice", NAME, "conformance=again")
    until_apiservice(cluster, is_available)
    until_ready(server, lambda: is_published(cluster))
    document = cluster.kubectl("get", "--raw", DOCUMENT).stdout
    assert not published
    assert '"x-kubernetes-list-type":"atomic"' in document
    assert '"description":"The version of this schema: projectcalico.org/v3."' in document


def _has_failed(cluster, since):
    """Tell whether kube-apiserver has asked for OpenAPI and been refused, by its log from there on."""
    log = cluster.control_plane.kube_apiserver.log.read_bytes()[since:].decode()
    return any(NAME in line and "OpenAPI" in line and "503" in line for line in log.splitlines())
