"""Content negotiation: what Accept and Content-Type ask for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.wire.negotiation import (
    BodyMedia,
    Form,
    PatchType,
    Representation,
    body_media,
    error_media,
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
        (PARTIAL_LIST, False), (PARTIAL, True), ("application/json;as=Table", False),
        ("application/json;as=Foo;g=meta.k8s.io;v=v1", False),
        ("application/json;as=Table;g=meta.k8s.io;v=v9", False),
    ],
)  # fmt: skip
def test_what_nobody_serves_is_not_acceptable(accept, is_list):
    with pytest.raises(ApiError) as caught:
        negotiate(accept, is_list=is_list)

    assert caught.value.code == 406
    assert caught.value.message == (
        "only the following media types are accepted: application/json, application/yaml"
    )


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
    [(TABLE, JSON), ("application/yaml", YAML), ("application/xml", JSON), (None, JSON)],
)
def test_an_error_is_never_refused(accept, media):
    assert error_media(accept) is media


@given(st.text())
def test_no_accept_header_is_too_strange(accept):
    assert error_media(accept) in BodyMedia


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
