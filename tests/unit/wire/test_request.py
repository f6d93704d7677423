"""A request's attributes, read from its path, method and query."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.wire.query import parse_query
from apiserver.wire.request import RequestInfo, access_denied, parse_request
from apiserver.wire.status import ApiError

B = "/apis/g.io/v1"


def parse(method: str, url: str) -> RequestInfo:
    path, _, query = url.partition("?")
    return parse_request(method, path, parse_query(query))


@pytest.mark.parametrize(
    ("method", "url", "expected"),
    [
        ("GET", f"{B}/namespaces/n/things", ("list", "n", "things", "", "")),
        ("GET", f"{B}/namespaces/n/things/", ("list", "n", "things", "", "")),
        ("GET", f"{B}/namespaces/n/things?watch=1", ("watch", "n", "things", "", "")),
        ("GET", f"{B}/namespaces/n/things?watch", ("watch", "n", "things", "", "")),
        ("GET", f"{B}/namespaces/n/things?watch=false", ("list", "n", "things", "", "")),
        ("GET", f"{B}/things", ("list", "", "things", "", "")),
        ("POST", f"{B}/namespaces/n/things", ("create", "n", "things", "", "")),
        ("DELETE", f"{B}/namespaces/n/things", ("deletecollection", "n", "things", "", "")),
        ("GET", f"{B}/namespaces/n/things/a", ("get", "n", "things", "a", "")),
        ("HEAD", f"{B}/namespaces/n/things/a", ("get", "n", "things", "a", "")),
        ("GET", f"{B}/namespaces/n/things/a?watch=1", ("get", "n", "things", "a", "")),
        ("PUT", f"{B}/namespaces/n/things/a", ("update", "n", "things", "a", "")),
        ("PATCH", f"{B}/namespaces/n/things/a", ("patch", "n", "things", "a", "")),
        ("DELETE", f"{B}/namespaces/n/things/a", ("delete", "n", "things", "a", "")),
        ("PUT", f"{B}/namespaces/n/things/a/status", ("update", "n", "things", "a", "status")),
        ("GET", f"{B}/things/a/status", ("get", "", "things", "a", "status")),
        ("GET", f"{B}/namespaces/n", ("get", "n", "namespaces", "n", "")),
        ("GET", f"{B}/watch/namespaces/n/things", ("get", "", "watch", "namespaces", "n")),
        ("OPTIONS", f"{B}/things", ("options", "", "things", "", "")),
    ],
)
def test_a_resource_request(method, url, expected):
    info = parse(method, url)

    assert info.is_resource
    assert (info.group, info.version) == ("g.io", "v1")
    found = (info.verb, info.namespace, info.resource, info.name, info.subresource)
    assert found == expected


@pytest.mark.parametrize(
    "path",
    [
        "/", "/healthz", "/apis", "/apis/", "/apis/g.io", f"{B}", f"{B}/", "/openapi/v3/apis/g.io/v1",
        f"{B}//things", f"{B}/namespaces//things", f"{B}/namespaces/n//a",
    ],
)  # fmt: skip
def test_anything_else_is_a_path_with_the_method_as_its_verb(path):
    info = parse("GET", path)

    assert not info.is_resource
    assert (info.verb, info.path, info.resource) == ("get", path, "")


def test_segments_are_what_routes_compare():
    assert parse("GET", "/apis/g.io/v1/").segments == ("apis", "g.io", "v1")
    assert parse("GET", "/").segments == ()


def test_what_follows_the_subresource_is_kept():
    info = parse("GET", f"{B}/namespaces/n/things/a/files/node-1/x.pcap")

    assert (info.subresource, info.rest) == ("files", ("node-1", "x.pcap"))


def test_a_path_is_decoded_once_and_then_split():
    assert parse("GET", f"{B}/namespaces/n/things/a%2Fstatus").subresource == "status"
    assert parse("GET", f"{B}/namespaces/n/things/%2561").name == "%61"


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        (f"{B}/namespaces/n/things/%2561", "\"%61\": may not contain '%'"),
        (f"{B}/namespaces/n/things/..", "\"..\": may not be '..'"),
        (f"{B}/namespaces/n/things/%2e%2e", "\"..\": may not be '..'"),
        (f"{B}/namespaces/../things/a", "\"..\": may not be '..'"),
        (f"{B}/namespaces/n/things/a/files/..", "\"..\": may not be '..'"),
    ],
)
def test_a_name_that_no_object_can_have_is_a_bad_request(path, problem):
    info = parse("GET", path)

    with pytest.raises(ApiError) as caught:
        info.require_valid_names()

    assert (caught.value.code, caught.value.message) == (400, f"Name parameter invalid: {problem}")


def test_ordinary_names_pass():
    parse("GET", f"{B}/namespaces/n/things/a.b_c").require_valid_names()


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("fieldSelector=metadata.name%3Dx", "x"),
        ("fieldSelector=metadata.name==x,metadata.namespace=n&watch=1", "x"),
        ("fieldSelector=metadata.name!=x", ""),
        ("fieldSelector=metadata.name=a/b", ""),
        ("fieldSelector=nonsense", ""),
    ],
)
def test_a_list_of_one_name_is_authorized_for_that_name(query, name):
    assert parse("GET", f"{B}/namespaces/n/things?{query}").name == name


def test_deletecollection_has_no_name():
    info = parse("DELETE", f"{B}/namespaces/n/things?fieldSelector=metadata.name=x")

    assert info.name == ""


@given(st.sampled_from(["GET", "PUT", "HEAD", "X"]), st.text(), st.text())
def test_no_request_is_too_strange_to_read(method, path, query):
    info = parse_request(method, path, parse_query(query))

    assert info.is_resource == bool(info.resource)


@pytest.mark.parametrize(
    ("method", "url", "message"),
    [
        (
            "GET", f"{B}/namespaces/n/things/a",
            ('things.g.io "a" is forbidden: User "u" cannot get resource "things" in API group '
            '"g.io" in the namespace "n"'),
        ),
        (
            "GET", f"{B}/things",
            ('things.g.io is forbidden: User "u" cannot list resource "things" in API group '
            '"g.io" at the cluster scope'),
        ),
        (
            "PUT", f"{B}/namespaces/n/things/a/status",
            ('things.g.io "a" is forbidden: User "u" cannot update resource "things/status" in API '
            'group "g.io" in the namespace "n"'),
        ),
        ("GET", "/metrics", 'forbidden: User "u" cannot get path "/metrics"'),
    ],
)  # fmt: skip
def test_a_denial_says_who_may_not_do_what(method, url, message):
    error = access_denied("u", parse(method, url))

    assert (error.code, error.reason, error.message) == (403, "Forbidden", message)


def test_a_denial_tells_the_reason_and_no_markup():
    error = access_denied("<b>", parse("GET", "/x"), why="no & never")

    assert error.message == 'forbidden: User "&lt;b&gt;" cannot get path "/x": no & never'


def test_a_denial_shows_what_cannot_be_seen():
    info = parse("GET", "/apis/g/v/namespaces/n%0a/things/a%22")

    assert access_denied('"u"', info).message == (
        'things.g "a\\"" is forbidden: User "\\"u\\"" cannot get resource "things" in API group "g" '
        'in the namespace "n\\n"'
    )
