"""Every error is the document, code and reason that clients of Kubernetes decide on."""

from http import HTTPStatus

import pytest

from apiserver.fields import invalid as invalid_value
from apiserver.fields import required
from apiserver.wire import status
from apiserver.wire.resources import Resource, Subresource
from apiserver.wire.status import ApiError
from tests.support.documents import as_sent

THINGS = Resource(
    "example.org", "v1", "things", "thing", "Thing", "ThingList", ("get",),
    subresources=(Subresource("status", ("get",)),),
)  # fmt: skip


@pytest.mark.parametrize(
    ("error", "code", "reason", "message"),
    [
        pytest.param(status.bad_request("why"), 400, "BadRequest", "why", id="bad request"),
        pytest.param(status.unauthorized(), 401, "Unauthorized", "Unauthorized", id="who"),
        pytest.param(
            status.forbidden(THINGS, "a", "no"),
            403, "Forbidden", 'things.example.org "a" is forbidden: no', id="forbidden",
        ),
        pytest.param(
            status.forbidden(THINGS, "", "no"),
            403, "Forbidden", "things.example.org is forbidden: no", id="forbidden, no name",
        ),
        pytest.param(
            status.not_found(THINGS, "a"),
            404, "NotFound", 'things.example.org "a" not found', id="not found",
        ),
        pytest.param(
            status.namespace_not_found("n"),
            404, "NotFound", 'namespaces "n" not found', id="namespace",
        ),
        pytest.param(
            status.path_not_found(),
            404, "NotFound", "the server could not find the requested resource", id="path",
        ),
        pytest.param(
            status.method_not_allowed(),
            405, "MethodNotAllowed",
            "the server does not allow this method on the requested resource", id="method",
        ),
        pytest.param(
            status.method_not_supported(THINGS, "create"),
            405, "MethodNotAllowed",
            'create is not supported on resources of kind "things.example.org"', id="verb",
        ),
        pytest.param(
            status.not_acceptable(["a/b", "c/d"]),
            406, "NotAcceptable", "only the following media types are accepted: a/b, c/d",
            id="not acceptable",
        ),
        pytest.param(
            status.already_exists(THINGS, "a"),
            409, "AlreadyExists", 'things.example.org "a" already exists', id="exists",
        ),
        pytest.param(
            status.already_exists(THINGS, "a", terminating=True),
            409, "AlreadyExists",
            'object is being deleted: things.example.org "a" already exists', id="still exists",
        ),
        pytest.param(
            status.modified(THINGS, "a"),
            409, "Conflict",
            'Operation cannot be fulfilled on things.example.org "a": the object has been modified; '
            "please apply your changes to the latest version and try again",
            id="modified",
        ),
        pytest.param(
            status.too_old_resource_version(3, 7),
            410, "Expired", "too old resource version: 3 (7)", id="expired",
        ),
        pytest.param(
            status.too_large(5),
            413, "RequestEntityTooLarge", "Request entity too large: limit is 5", id="too large",
        ),
        pytest.param(
            status.unsupported_media_type(["a/b"]),
            415, "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: a/b",
            id="media type",
        ),
        pytest.param(
            status.invalid("Thing", "example.org", "a", [required("spec")]),
            422, "Invalid", 'Thing.example.org "a" is invalid: spec: Required value', id="invalid",
        ),
        pytest.param(
            status.too_many_requests("later", retry_after_seconds=1),
            429, "TooManyRequests", "later", id="too many",
        ),
        pytest.param(
            status.internal("oh"),
            500, "InternalError", "Internal error occurred: oh", id="internal",
        ),
        pytest.param(
            status.server_timeout(THINGS, "list", retry_after_seconds=2),
            500, "ServerTimeout",
            "The list operation against things.example.org could not be completed at this time, "
            "please try again.",
            id="server timeout",
        ),
        pytest.param(status.unavailable("not yet"), 503, "ServiceUnavailable", "not yet", id="503"),
        pytest.param(status.timeout("slow"), 504, "Timeout", "Timeout: slow", id="timeout"),
    ],
)  # fmt: skip
def test_an_error_says_code_reason_and_message(error, code, reason, message):
    document = error.to_json()

    assert (document["code"], document["reason"], document["message"]) == (code, reason, message)
    assert (document["kind"], document["apiVersion"]) == ("Status", "v1")
    assert document["status"] == "Failure"


def test_an_invalid_object_lists_every_cause_under_its_kind():
    errors = [required("spec.a"), invalid_value("spec.b", "x", "not so")]

    document = status.invalid("Thing", "example.org", "n", errors).to_json()

    assert document["message"] == (
        'Thing.example.org "n" is invalid: '
        '[spec.a: Required value, spec.b: Invalid value: "x": not so]'
    )
    assert document["details"] == {
        "name": "n",
        "group": "example.org",
        "kind": "Thing",
        "causes": [
            {"reason": "FieldValueRequired", "message": "Required value", "field": "spec.a"},
            {
                "reason": "FieldValueInvalid",
                "message": 'Invalid value: "x": not so',
                "field": "spec.b",
            },
        ],
    }


def test_two_equal_errors_are_said_once_and_stay_two_causes():
    error = invalid_value("metadata.labels", "é", "why")

    found = status.invalid("Thing", "g", "a", [error, error])

    assert found.message == 'Thing.g "a" is invalid: metadata.labels: Invalid value: "é": why'
    assert found.details is not None
    assert len(found.details.causes) == 2


def test_names_are_shown_so_that_they_can_be_seen():
    assert status.not_found(THINGS, 'a"\x00').message == r'things.example.org "a\"\x00" not found'


def test_other_details_name_the_plural():
    details = status.not_found(THINGS, "a").to_json()["details"]

    assert details == {"name": "a", "group": "example.org", "kind": "things"}


def test_absent_details_differ_from_empty_ones():
    assert "details" not in status.bad_request("why").to_json()
    assert "details" not in status.unsupported_media_type(["a/b"]).to_json()
    assert status.rejected().to_json()["details"] == {}
    assert status.path_not_found().to_json()["details"] == {}


def test_a_terminating_namespace_is_the_cause_that_controllers_look_for():
    document = as_sent(status.namespace_terminating(THINGS, "a", "ns").to_json())

    assert document["details"]["causes"] == [
        {
            "reason": "NamespaceTerminating",
            "message": "namespace ns is being terminated",
            "field": "metadata.namespace",
        }
    ]


def test_a_future_version_asks_to_retry_and_names_its_cause():
    error = status.too_large_resource_version(9, 5)

    assert error.retry_after_seconds == 1
    assert error.message == "Timeout: Too large resource version: 9, current: 5"
    assert as_sent(error.to_json())["details"]["causes"] == [
        {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    ]


def test_an_expired_list_may_go_on_inconsistently():
    error = status.expired(status.CONTINUE_TOO_OLD, continue_token="token")

    assert error.to_json()["metadata"] == {"continue": "token"}


def test_retry_after_is_zero_unless_asked_for():
    assert status.unavailable("x").retry_after_seconds == 0
    assert status.unavailable("x", retry_after_seconds=5).retry_after_seconds == 5
    assert status.name_not_generated(THINGS, "a").retry_after_seconds == 1


def test_a_deletion_that_is_done_tells_the_uid_and_has_no_code():
    assert status.deleted(THINGS, "a", "u-1") == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {"name": "a", "group": "example.org", "kind": "things", "uid": "u-1"},
    }


def test_a_resource_knows_its_names_and_subresources():
    assert THINGS.group_version == "example.org/v1"
    assert THINGS.group_resource == "things.example.org"
    assert THINGS.group_kind == "Thing.example.org"
    assert THINGS.subresource("status") == Subresource("status", ("get",))
    assert THINGS.subresource("scale") is None


def test_the_code_is_a_plain_number():
    error = ApiError(HTTPStatus.NOT_FOUND, "NotFound", "none")

    assert type(error.to_json()["code"]) is int
