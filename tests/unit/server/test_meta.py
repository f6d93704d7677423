"""What the server says of itself, as clients ask for it."""

import json

import pytest
import yaml
from aiohttp.test_utils import make_mocked_request

from apiserver.auth.identity import User
from apiserver.pcap.compiler import FilterCompiler
from apiserver.registry.packetcaptures import PacketCaptureStrategy
from apiserver.server.context import Call
from apiserver.server.meta import MetaHandlers, require_get
from apiserver.wire.query import parse_query
from apiserver.wire.request import parse_request
from apiserver.wire.status import ApiError

META = MetaHandlers(PacketCaptureStrategy(FilterCompiler()))
GROUP = "/apis/projectcalico.org/v3"
OPENAPI = f"/openapi/v3{GROUP}"
V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
V2_BETA = V2.replace("v=v2", "v=v2beta1")
PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


def call(path, method="GET", **headers):
    path, _, query_text = path.partition("?")
    query = parse_query(query_text)
    request = make_mocked_request(
        method, path, headers={key.replace("_", "-"): each for key, each in headers.items()}
    )
    return Call(request, parse_request(method, path, query), query, User("alice"))


def get(path, **headers):
    asked = call(path, **headers)
    page = META.find(asked.info.segments)
    assert page is not None
    return page(asked)


@pytest.mark.parametrize(
    "accept",
    [
        pytest.param(V2, id="alone"),
        pytest.param(f"{V2},{V2_BETA},application/json", id="as kubectl asks"),
        pytest.param(f"application/json,{V2}", id="second"),
        pytest.param(f"{V2};q=0.1,application/json", id="liked less"),
        pytest.param(
            "application/json; as=APIGroupDiscoveryList ;v=v2;g=apidiscovery.k8s.io",
            id="in another order",
        ),
        pytest.param(V2.replace("/json", "/*"), id="of any sort"),
        pytest.param(f"{V2};profile=nopeer", id="with more parameters"),
    ],
)
def test_whoever_knows_aggregated_discovery_gets_it(accept):
    answer = get("/apis", Accept=accept)

    assert answer.headers["Content-Type"] == V2
    assert (answer.headers["Vary"], answer.headers["Cache-Control"]) == ("Accept", "public")
    assert json.loads(answer.body)["kind"] == "APIGroupDiscoveryList"


@pytest.mark.parametrize(
    "accept", ["application/json", "*/*", "application/*", f"{V2_BETA},application/json"]
)
def test_others_get_the_list_of_groups(accept):
    answer = get("/apis", Accept=accept)

    assert answer.headers["Content-Type"] == "application/json"
    assert json.loads(answer.body)["kind"] == "APIGroupList"


def test_a_client_that_accepts_nothing_in_particular_gets_the_list_of_groups():
    assert json.loads(get("/apis").body)["kind"] == "APIGroupList"


@pytest.mark.parametrize("path", ["/apis", "/apis/projectcalico.org", GROUP])
@pytest.mark.parametrize(
    "accept",
    [V2_BETA, "application/json;as=APIGroupDiscoveryList", "application/xml", "text/html"],
)
def test_what_is_not_served_is_not_acceptable(path, accept):
    with pytest.raises(ApiError) as caught:
        get(path, Accept=accept)

    assert caught.value.code == 406
    assert "application/json, application/yaml" in str(caught.value)


@pytest.mark.parametrize("path", ["/apis", "/apis/projectcalico.org", GROUP])
def test_discovery_is_served_as_yaml_too(path):
    answer = get(path, Accept="application/yaml")

    assert answer.headers["Content-Type"] == "application/yaml"
    assert yaml.safe_load(answer.body) == json.loads(get(path).body)
    assert b"&id" not in answer.body


@pytest.mark.parametrize(
    ("path", "agent", "indented"),
    [
        ("/apis", "curl/8.0", True),
        ("/apis", "kubectl/1.36", False),
        ("/apis?pretty=true", "kubectl/1.36", True),
        ("/apis?pretty=false", "curl/8.0", False),
    ],
)
def test_people_read_discovery_indented(path, agent, indented):
    assert (b'\n  "kind"' in get(path, User_Agent=agent).body) is indented


def test_aggregated_discovery_that_is_known_is_not_sent_again():
    tag = get("/apis", Accept=V2).headers["ETag"]

    answer = get("/apis", Accept=V2, If_None_Match=tag)

    assert (answer.status, answer.body) == (304, None)
    assert answer.headers["ETag"] == tag
    assert (answer.headers["Vary"], answer.headers["Cache-Control"]) == ("Accept", "public")


@pytest.mark.parametrize("form", ["W/{}", "*", '{}, "x"', '"x"'])
def test_the_tag_of_aggregated_discovery_is_compared_as_it_stands(form):
    tag = get("/apis", Accept=V2).headers["ETag"]

    assert get("/apis", Accept=V2, If_None_Match=form.format(tag)).status == 200


@pytest.mark.parametrize(
    "path", ["/apis", "/apis/projectcalico.org", GROUP, "/openapi/v2", "/openapi/v3", "/version"]
)
def test_a_slash_at_the_end_changes_nothing(path):
    assert get(f"{path}/").body == get(path).body


@pytest.mark.parametrize("path", ["/api", "/apis/apps", "/openapi", "/openapi/v3/version"])
def test_what_we_do_not_have_is_not_found(path):
    assert META.find(call(path).info.segments) is None


def test_the_index_of_openapi_has_our_group_version_with_its_hash():
    index = json.loads(get("/openapi/v3").body)
    document = get(OPENAPI)

    ours = {"serverRelativeURL": f"{OPENAPI}?hash={document.headers['ETag'].strip(chr(34))}"}
    assert index == {"paths": {GROUP[1:]: ours}}


def test_the_document_may_be_kept_by_whom_asks_for_it_by_its_hash():
    known = get(OPENAPI).headers["ETag"].strip('"')

    answer = get(f"{OPENAPI}?hash={known}")

    assert answer.headers["Cache-Control"] == "public, immutable, max-age=31536000"


def test_an_older_hash_is_answered_with_the_document_of_today():
    answer = get(f"{OPENAPI}?hash=OLD")

    assert answer.body == get(OPENAPI).body
    assert answer.headers["Cache-Control"] == "no-cache, private"


@pytest.mark.parametrize("path", ["/openapi/v2", OPENAPI])
@pytest.mark.parametrize("form", ["{}", "W/{}", '"x", {}'])
def test_an_openapi_document_that_is_known_is_not_sent_again(path, form):
    tag = get(path).headers["ETag"]

    answer = get(path, If_None_Match=form.format(tag))

    assert (answer.status, answer.body, answer.headers["ETag"]) == (304, None, tag)


@pytest.mark.parametrize("path", ["/openapi/v2", OPENAPI])
@pytest.mark.parametrize(
    ("accept", "code"),
    [
        ("application/json", 200),
        ("*/*", 200),
        (f"{PROTOBUF},application/json;q=0.5", 200),
        (PROTOBUF, 406),
        ("application/yaml", 406),
    ],
)
def test_openapi_is_served_as_json_alone(path, accept, code):
    answer = get(path, Accept=accept)

    assert answer.status == code
    assert bool(answer.body) is (code == 200)


def test_both_versions_of_openapi_describe_the_same():
    v2, v3 = (json.loads(get(path).body) for path in ("/openapi/v2", OPENAPI))

    assert (v2["swagger"], v3["openapi"]) == ("2.0", "3.0.0")
    assert v2["paths"].keys() == v3["paths"].keys()
    assert v2["definitions"].keys() == v3["components"]["schemas"].keys()


def test_openapi_offers_the_patches_that_every_client_can_make():
    document = json.loads(get(OPENAPI).body)

    item = document["paths"][f"{GROUP}/namespaces/{{namespace}}/packetcaptures/{{name}}"]
    assert [*item["patch"]["requestBody"]["content"]] == [
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/apply-patch+yaml",
    ]


def test_every_resource_of_discovery_has_a_path_in_openapi():
    paths = json.loads(get(OPENAPI).body)["paths"]
    resources = json.loads(get(GROUP).body)["resources"]

    for each in resources:
        name, _, subresource = each["name"].partition("/")
        ends = f"/{name}/{{name}}/{subresource}" if subresource else f"/{name}"
        assert any(path.endswith(ends) for path in paths), each["name"]


def test_files_are_described_as_they_are_answered():
    document = json.loads(get(OPENAPI).body)
    below = f"{GROUP}/namespaces/{{namespace}}/packetcaptures/{{name}}/files"
    answers = {
        path.removeprefix(below): item["get"]["responses"]["200"]["content"]
        for path, item in document["paths"].items()
        if path.startswith(below)
    }

    assert [*answers] == ["", "/{node}", "/{node}/{file}"]
    assert answers[""]["application/json"]["schema"]["$ref"].endswith(".PacketCaptureFileList")
    assert answers["/{node}/{file}"] == {
        "application/vnd.tcpdump.pcap": {"schema": {"type": "string", "format": "binary"}}
    }


def test_the_root_lists_what_there_is():
    paths = json.loads(get("/").body)["paths"]

    assert paths == sorted(paths)
    assert {"/apis", GROUP, "/openapi/v2", OPENAPI, "/version", "/readyz"} <= set(paths)


def test_the_version_is_that_of_a_server_of_kubernetes():
    document = json.loads(get("/version", Accept="text/html").body)

    assert document["gitVersion"].startswith(f"v{document['major']}.{document['minor']}.")
    assert all(isinstance(each, str) for each in document.values())


def test_the_documents_are_only_read():
    require_get(call("/apis"))

    with pytest.raises(ApiError) as caught:
        require_get(call("/apis", "POST"))

    assert caught.value.code == 405
