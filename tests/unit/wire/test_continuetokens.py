"""Continue tokens: there and back, and what is refused."""

import base64

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.wire.continuetokens import (
    INCONSISTENT,
    ContinueToken,
    decode_continue,
    encode_continue,
)
from apiserver.wire.status import ApiError

PREFIX = "/g/things/"
NAMES = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True)


def written(document):
    """Return a token as somebody might write it by hand."""
    text = document if isinstance(document, bytes) else orjson.dumps(document)
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def refusal(text, prefix=PREFIX):
    with pytest.raises(ApiError) as caught:
        decode_continue(text, prefix)
    error = caught.value
    assert (error.code, error.reason) == (400, "BadRequest")
    return error.message.removeprefix("invalid continue token: continue key is not valid")


@given(NAMES, NAMES, st.integers(1, (1 << 63) - 1) | st.just(INCONSISTENT))
def test_a_token_comes_back_as_it_was(namespace, name, revision):
    token = ContinueToken(revision, f"{PREFIX}{namespace}/{name}\0")

    for prefix in (PREFIX, f"{PREFIX}{namespace}/"):
        assert decode_continue(encode_continue(token, prefix), prefix) == token


def test_a_token_is_the_one_that_kube_apiserver_makes():
    text = encode_continue(ContinueToken(42, PREFIX + "ns/name\0"), PREFIX)

    assert text == written(b'{"v":"meta.k8s.io/v1","rv":42,"start":"ns/name\\u0000"}')
    assert "=" not in text


def test_a_token_that_another_server_made_is_understood():
    text = written(b'{"rv":-7,"v":"meta.k8s.io/v1","start":"/ns/name\\u0000","rc":5}')

    assert decode_continue(text, PREFIX) == ContinueToken(INCONSISTENT, PREFIX + "ns/name\0")


def test_a_token_of_all_namespaces_stays_within_the_one_that_it_is_used_for():
    text = encode_continue(ContinueToken(42, PREFIX + "ns/name\0"), PREFIX)

    assert decode_continue(text, PREFIX + "other/").start.startswith(PREFIX + "other/")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("gar bage", ": illegal base64 data at input byte 3", id="no base64"),
        pytest.param("eyJ2Ijoi=", ": illegal base64 data at input byte 8", id="padded"),
        pytest.param("eyJ2I", ": illegal base64 data at input byte 4", id="a letter too many"),
        pytest.param("ü", ": illegal base64 data at input byte 0", id="no letter of it"),
    ],
)
def test_what_is_no_base64_is_refused_at_its_byte(text, why):
    assert refusal(text) == why


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="cut"),
        pytest.param(b"garbage", id="a word"),
        pytest.param(b'"text"', id="a text"),
        pytest.param(b"[]", id="an array"),
        pytest.param(b'{"v":"meta.k8s.io/v1","rv":1,"start":"\xff"}', id="no UTF-8"),
        pytest.param(rb'{"v":"meta.k8s.io/v1","rv":1,"start":"\ud800"}', id="half a character"),
    ],
)
def test_what_is_no_json_object_is_refused(document):
    assert refusal(written(document)).startswith(": ")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        pytest.param({"v": "v2"}, ": server does not recognize this encoded version v2", id="v"),
        pytest.param({"v": None}, ": server does not recognize this encoded version ", id="no v"),
        pytest.param({"start": ""}, ": encoded start key empty (version meta.k8s.io/v1)", id="start"),
        pytest.param({"start": 1}, ": encoded start key empty (version meta.k8s.io/v1)", id="number"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(changed, why):
    whole = {"v": "meta.k8s.io/v1", "rv": 42, "start": "ns/name\0"}

    assert refusal(written(whole | changed)) == why


@pytest.mark.parametrize("revision", [0, None, "42", 1.5, True, 1 << 63])
def test_a_token_without_a_version_is_refused(revision):
    text = written({"v": "meta.k8s.io/v1", "rv": revision, "start": "ns/name\0"})

    why = ": incorrect encoded start resourceVersion (version meta.k8s.io/v1)"
    assert refusal(text) == why


@pytest.mark.parametrize(
    "start",
    ["..", "../x", "ns/../x", "ns/..", "./x", "ns/./x", "ns//x", "//x", "ns/", "/../x", "/."],
)
def test_a_start_outside_of_the_list_is_refused(start):
    text = written({"v": "meta.k8s.io/v1", "rv": 42, "start": start})

    assert refusal(text) == f": {start}"


@given(st.text(st.sampled_from("./ab\0")))
def test_no_start_leads_out_of_the_list(start):
    text = written({"v": "meta.k8s.io/v1", "rv": 42, "start": start})

    try:
        token = decode_continue(text, PREFIX)
    except ApiError:
        return
    assert token.start.startswith(PREFIX)
    assert not {"..", "."} & set(token.start.removeprefix(PREFIX).split("/"))
