"""Content negotiation: what Accept and Content-Type ask for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.wire.negotiation import (
    BodyMedia,
    Form,
    PatchType,
    Representation,
    accepts_json,
    body_media,
    error_representation,
    negotiate,
    negotiate_plain,
    negotiate_watch,
    patch_type,
    wants_aggregated_discovery,
    wants_pretty,
)
from apiserver.wire.query import parse_query
from apiserver.wire.status import ApiError

JSON, YAML = BodyMedia.JSON, BodyMedia.YAML
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
TABLE_BETA = "application/json;as=Table;v=v1beta1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
PROTOBUF = "application/vnd.kubernetes.protobuf"
V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
V2_BETA = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        pytest.param(None, Representation(JSON), id="no header"),
        pytest.param("", Representation(JSON), id="empty"),
        pytest.param("*/*", Representation(JSON), id="anything"),
        pytest.param("application/*", Representation(JSON), id="any application"),
        pytest.param("application/yaml", Representation(YAML), id="YAML"),
        pytest.param("*/*, application/yaml", Representation(YAML), id="exact before wildcard"),
        pytest.param(
            "application/yaml;q=0.5,application/json", Representation(JSON), id="quality"
        ),
        pytest.param("application/json;q=0", Representation(JSON), id="quality zero"),
        pytest.param("application/json;q=x", Representation(JSON), id="no quality"),
        pytest.param("application/json;pretty=1", Representation(JSON, pretty=True), id="pretty"),
        pytest.param(
            f"{TABLE},{TABLE_BETA},application/json",
            Representation(JSON, Form.TABLE),
            id="kubectl",
        ),
        pytest.param(TABLE_BETA, Representation(JSON, Form.TABLE, "v1beta1"), id="v1beta1"),
        pytest.param(PARTIAL, Representation(JSON, Form.PARTIAL), id="metadata"),
        pytest.param(
            f"{PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v1,{PARTIAL},application/json",
            Representation(JSON, Form.PARTIAL),
            id="metadata client",
        ),
        pytest.param(f"{PROTOBUF},application/json", Representation(JSON), id="typed client"),
        pytest.param("application/json;x=y;charset=utf-8", Representation(JSON), id="unknown"),
        pytest.param("application/json;as=;g=;v=", Representation(JSON), id="empty parameters"),
        pytest.param("application/json;stream=watch", Representation(JSON), id="a stream"),
    ],
)
def test_an_object_is_represented_as_the_best_clause_asks(accept, expected):
    assert negotiate(accept, is_list=False) == expected


def test_a_list_has_a_form_of_its_own():
    assert negotiate(PARTIAL_LIST, is_list=True).form is Form.PARTIAL_LIST


@pytest.mark.parametrize(
    ("accept", "is_list"),
    [
        (PROTOBUF, False), ("application/xml", False), ("text/html", False), ("Application/Json", False),
        ('"application/json"', False), ("json", True), (";", True),
    ],
)  # fmt: skip
def test_a_media_type_that_nobody_serves_is_not_acceptable(accept, is_list):
    with pytest.raises(ApiError) as caught:
        negotiate(accept, is_list=is_list)

    assert (caught.value.code, caught.value.reason) == (406, "NotAcceptable")
    assert caught.value.to_json()["details"] == {}
    assert caught.value.message == (
        "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml"
    )


@pytest.mark.parametrize(
    "accept",
    [
        "application/json;as=Table", "application/json;as=Foo;g=meta.k8s.io;v=v1",
        "application/json;as=Table;g=meta.k8s.io;v=v9", "application/json;v=v1",
        "application/json;AS=Table;g=meta.k8s.io;v=v1", "application/json;stream=foo",
        'application/json;as="Table";g=meta.k8s.io;v=v1', f"{PROTOBUF},application/yaml;v=v1",
    ],
)  # fmt: skip
def test_a_form_that_nobody_serves_is_not_acceptable_either(accept):
    with pytest.raises(ApiError) as caught:
        negotiate(accept, is_list=False)

    assert (caught.value.code, caught.value.details) == (406, None)
    assert caught.value.message == (
        "only the following media types are accepted: application/json, application/yaml"
    )


@pytest.mark.parametrize(
    ("accept", "is_list", "why"),
    [
        (PARTIAL, True, "you requested PartialObjectMetadata, but the requested object is a list"),
        (
            f"{PARTIAL_LIST},application/json", False,
            "you requested PartialObjectMetadataList, but the requested object is not a list",
        ),
    ],
)  # fmt: skip
def test_an_object_is_no_list_and_a_list_no_object(accept, is_list, why):
    with pytest.raises(ApiError) as caught:
        negotiate(accept, is_list=is_list)

    assert (caught.value.code, caught.value.message) == (406, why)


def test_a_watch_is_json_or_nothing():
    assert negotiate_watch(TABLE).form is Form.TABLE
    with pytest.raises(ApiError, match=r"application/json;stream=watch"):
        negotiate_watch("application/yaml,application/json")


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (V2, True), (f"{V2},{V2_BETA},application/json", True), (f"application/json,{V2};q=0.1", True),
        ("application/*; as=APIGroupDiscoveryList ;v=v2; g=apidiscovery.k8s.io", True),
        (f"{V2};profile=nopeer", True), (V2_BETA, False), ("*/*", False), (None, False), (TABLE, False),
    ],
)  # fmt: skip
def test_aggregated_discovery_is_served_to_whoever_asks(accept, wanted):
    assert wants_aggregated_discovery(accept) is wanted


def test_legacy_discovery_has_one_form():
    assert negotiate_plain("application/json") == Representation(JSON)
    with pytest.raises(ApiError):
        negotiate_plain(V2_BETA)


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (TABLE, JSON), ("application/yaml", YAML), ("application/xml", JSON), (None, JSON),
        ("application/yaml;as=Table;v=v1;g=meta.k8s.io", JSON), (f"{TABLE},application/yaml", YAML),
    ],
)  # fmt: skip
def test_an_error_is_never_refused_and_never_converted(accept, media):
    assert error_representation(accept, {}, "").media is media


@pytest.mark.parametrize(
    ("accept", "query", "agent", "pretty"),
    [
        ("application/json", "", "kubectl", False), ("application/json", "pretty", "kubectl", True),
        ("application/json", "", "curl/8", True), (TABLE, "", "kubectl", True), ("a/b", "", "x", True),
        (f"{TABLE},application/json", "", "kubectl", False),
    ],
)  # fmt: skip
def test_an_error_is_indented_for_people(accept, query, agent, pretty):
    assert error_representation(accept, parse_query(query), agent).pretty is pretty


@given(st.text())
def test_no_accept_header_is_too_strange(accept):
    assert error_representation(accept, {}, "").media in BodyMedia


@pytest.mark.parametrize(
    ("query", "agent", "accept", "pretty"),
    [
        ("", "kubectl/v1", "*/*", False), ("", "curl/8", "*/*", True), ("pretty", "kubectl", "*/*", True),
        ("pretty=false", "curl/8", "application/json;pretty=1", False),
        ("", "x", "application/json;pretty=1", True), ("", "Mozilla/5.0 (X11)", "*/*", True),
    ],
)  # fmt: skip
def test_people_get_indented_answers(query, agent, accept, pretty):
    representation = negotiate(accept, is_list=False)

    assert wants_pretty(parse_query(query), agent, representation) is pretty


@pytest.mark.parametrize(
    ("content_type", "media"),
    [
        (None, JSON), ("", JSON), ("application/json", JSON), ("application/yaml", YAML),
        ("application/json; charset=utf-8", JSON),
    ],
)  # fmt: skip
def test_a_body_is_of_its_type(content_type, media):
    assert body_media(content_type) is media


@pytest.mark.parametrize("content_type", ["text/plain", "application/cbor", PROTOBUF])
def test_a_body_of_another_type_is_not_supported(content_type):
    with pytest.raises(ApiError) as caught:
        body_media(content_type)

    assert caught.value.code == 415
    assert caught.value.message.endswith("application/json, application/yaml")


def test_a_patch_is_of_its_type():
    content_type = "application/merge-patch+json; charset=utf-8"

    assert patch_type(content_type, [PatchType.MERGE]) is PatchType.MERGE


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "application/json",
        "application/strategic-merge-patch+json",
        "Application/merge-patch+json",
    ],
)
def test_a_patch_of_another_type_is_told_what_there_is(content_type):
    with pytest.raises(ApiError) as caught:
        patch_type(content_type, [PatchType.MERGE, PatchType.JSON])

    assert caught.value.code == 415
    assert caught.value.message == (
        "the body of the request was in an unknown format - accepted media types include: "
        "application/merge-patch+json, application/json-patch+json"
    )


@pytest.mark.parametrize(
    ("accept", "accepted"),
    [
        pytest.param(None, True, id="no header"),
        pytest.param("*/*", True, id="anything"),
        pytest.param("application/json;q=0.1", True, id="JSON"),
        pytest.param(f"{PROTOBUF},application/json", True, id="JSON as the last resort"),
        pytest.param("application/yaml", False, id="YAML"),
        pytest.param(PROTOBUF, False, id="protobuf"),
        pytest.param(TABLE, False, id="JSON of another form"),
    ],
)
def test_what_is_json_alone_is_for_whom_accepts_json(accept, accepted):
    assert accepts_json(accept) is accepted


def test_of_very_many_alternatives_the_first_hundred_count():
    others = "a/b," * 99

    assert negotiate(f"{others}application/yaml", is_list=False).media is BodyMedia.YAML
    with pytest.raises(ApiError):
        negotiate(f"{others}a/b,application/yaml", is_list=False)
