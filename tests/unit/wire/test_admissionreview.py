from base64 import b64encode
from dataclasses import replace

import orjson
import pytest

from apiserver.jsontypes import JsonObject, object_at
from apiserver.wire.admissionreview import (
    Attributes,
    Operation,
    ReviewVersion,
    UnusableAnswerError,
    Verdict,
    denial,
    dry_run_unsupported,
    read_review,
    review_request,
    review_version,
)
from apiserver.wire.resources import Resource, Subresource

V1, V1BETA1 = ReviewVersion
RESOURCE = Resource(
    group="example.com",
    version="v2",
    plural="widgets",
    singular="widget",
    kind="Widget",
    list_kind="WidgetList",
    verbs=("create",),
    subresources=(Subresource("status", ("update",)), Subresource("scale", ("update",), "Scale")),
)
DOCUMENT: JsonObject = {"metadata": {"name": "w"}}
OPTIONS: JsonObject = {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"}
CREATE = Attributes(
    operation=Operation.CREATE,
    resource=RESOURCE,
    subresource="",
    namespace="shop",
    name="w",
    document=DOCUMENT,
    old=None,
    options=OPTIONS,
    dry_run=False,
    user={"username": "alice"},
)


def answer(version=V1, **response):
    document = {
        "kind": "AdmissionReview",
        "apiVersion": version.group_version,
        "response": {"uid": "u1", "allowed": True, **response},
    }
    return orjson.dumps(document)


def read(body, *, version=V1, mutating=True):
    return read_review(body, uid="u1", version=version, mutating=mutating)


def b64(text):
    return b64encode(text).decode()


@pytest.mark.parametrize("version", ReviewVersion)
def test_a_webhook_is_asked_about_a_creation(version):
    kind = {"group": "example.com", "version": "v2", "kind": "Widget"}
    resource = {"group": "example.com", "version": "v2", "resource": "widgets"}

    assert review_request(CREATE, uid="u1", version=version) == {
        "kind": "AdmissionReview",
        "apiVersion": f"admission.k8s.io/{version}",
        "request": {
            "uid": "u1",
            "kind": kind,
            "resource": resource,
            "requestKind": kind,
            "requestResource": resource,
            "name": "w",
            "namespace": "shop",
            "operation": "CREATE",
            "userInfo": {"username": "alice"},
            "object": DOCUMENT,
            "oldObject": None,
            "dryRun": False,
            "options": OPTIONS,
        },
    }


def test_what_has_no_name_yet_is_asked_about_without_one():
    asked = review_request(replace(CREATE, name=""), uid="u1", version=V1)

    assert "name" not in object_at(asked, "request")


@pytest.mark.parametrize(("subresource", "kind"), [("status", "Widget"), ("scale", "Scale")])
def test_a_subresource_is_named_and_has_its_own_kind(subresource, kind):
    asked = review_request(replace(CREATE, subresource=subresource), uid="u1", version=V1)

    request = object_at(asked, "request")
    assert (request["subResource"], request["requestSubResource"]) == (subresource, subresource)
    assert object_at(request, "kind")["kind"] == kind


@pytest.mark.parametrize(
    ("name", "document", "shown"),
    [
        pytest.param("w", DOCUMENT, "w", id="its name"),
        pytest.param("", DOCUMENT, "w", id="its name by now"),
        pytest.param("", {"metadata": {"generateName": "w-"}}, "w-", id="a beginning"),
        pytest.param("", None, "Unknown", id="one of many"),
    ],
)
def test_errors_call_an_object_by_what_it_has_of_a_name(name, document, shown):
    assert replace(CREATE, name=name, document=document).shown_name == shown


@pytest.mark.parametrize(
    ("accepted", "version"),
    [(["v1"], V1), (["v1beta1", "v1"], V1BETA1), (["v2", "v1"], V1), (["v2"], None), ([1], None)],
)
def test_the_first_version_that_both_know_is_spoken(accepted, version):
    assert review_version(accepted) is version


def test_a_yes():
    assert read(answer(warnings=["w", 1])) == Verdict(allowed=True, status={}, warnings=("w",))


def test_a_no():
    status: JsonObject = {"message": "no", "code": 403}

    assert read(answer(allowed=False, status=status)) == Verdict(allowed=False, status=status)


@pytest.mark.parametrize("allowed", ["true", 1, None])
def test_what_is_not_quite_a_yes_is_a_no(allowed):
    assert not read(answer(allowed=allowed)).allowed


def test_a_patch():
    verdict = read(answer(patchType="JSONPatch", patch=b64(b'[{"op": "remove", "path": "/a"}]')))

    assert verdict.operations() == [{"op": "remove", "path": "/a"}]


@pytest.mark.parametrize("response", [{}, {"patchType": "JSONPatch", "patch": b64(b"[]")}])
def test_no_patch(response):
    assert read(answer(**response)).operations() == []


def test_a_patch_in_the_older_version_is_a_json_patch():
    verdict = read(answer(V1BETA1, patch=b64(b"[1]")), version=V1BETA1)

    assert verdict.operations() == [1]


@pytest.mark.parametrize(
    ("patch_type", "patch", "why"),
    [
        pytest.param("JSONPatch", b"[", "received undecodable patch in webhook", id="no JSON"),
        pytest.param("JSONPatch", b"{}", "it is not a JSON array", id="no array"),
        pytest.param("Other", b"[1]", 'unsupported patch type "Other"', id="another kind"),
    ],
)
def test_a_patch_that_cannot_be_used(patch_type, patch, why):
    verdict = read(answer(patchType=patch_type, patch=b64(patch)))

    with pytest.raises(UnusableAnswerError, match=why):
        verdict.operations()


INVALID = "received invalid webhook response: "


@pytest.mark.parametrize(
    ("body", "why"),
    [
        pytest.param(b"{", "failed to call webhook: the answer is not JSON", id="no JSON"),
        pytest.param(b"[]", "failed to call webhook: the answer is not a JSON object", id="array"),
        pytest.param(b"{}", f"{INVALID}webhook response was absent", id="nothing"),
        pytest.param(
            answer(uid="zzz"), f'{INVALID}expected response.uid="u1", got "zzz"', id="another uid"
        ),
        pytest.param(
            answer(V1BETA1),
            f"{INVALID}expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got "
            "admission.k8s.io/v1beta1, Kind=AdmissionReview",
            id="another version",
        ),
        pytest.param(
            answer(patch=b64(b"[]")),
            f"{INVALID}webhook returned response.patch but not response.patchType",
            id="no type",
        ),
        pytest.param(
            answer(patchType="JSONPatch"),
            f"{INVALID}webhook returned response.patchType but not response.patch",
            id="no patch",
        ),
        pytest.param(
            answer(patchType="", patch=b64(b"[]")),
            f'{INVALID}webhook returned invalid response.patchType of ""',
            id="an empty type",
        ),
        pytest.param(
            answer(patchType="JSONPatch", patch="!"),
            "failed to call webhook: response.patch is not base64",
            id="not base64",
        ),
    ],
)
def test_an_answer_that_cannot_be_used(body, why):
    with pytest.raises(UnusableAnswerError) as unusable:
        read(body)

    assert str(unusable.value).startswith(why)


@pytest.mark.parametrize(
    ("response", "field"),
    [({"patch": b64(b"[]")}, "patch"), ({"patchType": "JSONPatch"}, "patchType")],
)
def test_a_validating_webhook_may_not_patch(response, field):
    with pytest.raises(UnusableAnswerError, match=f"may not return response.{field}"):
        read(answer(**response), mutating=False)


def test_an_answer_in_the_older_version_may_be_about_anything():
    body = b'{"response": {"uid": "zzz", "allowed": true, "patchType": "JSONPatch"}}'

    assert read(body, version=V1BETA1, mutating=False).allowed


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        pytest.param({}, 400, "without explanation", id="nothing"),
        pytest.param({"message": "no"}, 400, ": no", id="a message"),
        pytest.param({"reason": "Forbidden"}, 400, ": Forbidden", id="a reason"),
        pytest.param({"message": "no", "code": 451}, 451, ": no", id="a code"),
        pytest.param({"message": "no", "code": 200}, 400, ": no", id="no error's code"),
        pytest.param({"message": "no", "code": 7000}, 599, ": no", id="nobody's code"),
    ],
)
def test_a_no_is_an_error_to_the_client(status, code, message):
    error = denial("hook", status)

    why = 'admission webhook "hook" denied the request'
    assert error.code == code
    assert error.message.removeprefix(why).strip() == message.strip()
    assert error.reason == status.get("reason", "")
    assert error.details is None


def test_the_details_of_a_no_are_passed_on():
    details: JsonObject = {
        "name": "w",
        "group": "example.com",
        "kind": "widgets",
        "uid": "u2",
        "causes": [{"reason": "R", "message": "m", "field": "spec.x"}],
        "retryAfterSeconds": 5,
    }

    assert denial("hook", {"details": details}).to_json()["details"] == details


def test_a_dry_run_is_refused():
    error = dry_run_unsupported("hook")

    assert (error.code, error.message) == (
        400,
        'admission webhook "hook" does not support dry run',
    )
