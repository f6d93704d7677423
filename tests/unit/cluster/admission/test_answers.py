"""What webhooks answer, and what becomes of a write for it."""

import asyncio
from base64 import b64encode
from contextlib import suppress
from dataclasses import replace

import pytest

from apiserver.cluster.admission.asking import Outcome
from apiserver.cluster.admission.configurations import Phase
from apiserver.jsontypes import JsonObject
from apiserver.wire.status import ApiError
from tests.fakes.webhook import (
    allowing,
    denying,
    patching,
    replying,
    saying,
)

LABELLED: JsonObject = {"op": "add", "path": "/metadata/labels", "value": {"team": "net"}}


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        pytest.param(denying("not today"), 400, "denied the request: not today", id="message"),
        pytest.param(
            denying(code=403, reason="Gone"), 403, "denied the request: Gone", id="reason"
        ),
        pytest.param(denying("teapot", code=418), 418, "denied the request: teapot", id="code"),
        pytest.param(
            denying("fine", code=200), 400, "denied the request: fine", id="no error's code"
        ),
        pytest.param(
            denying("far", code=1000), 599, "denied the request: far", id="no code at all"
        ),
        pytest.param(
            saying({"allowed": False}), 400, "denied the request without explanation", id="nothing"
        ),
    ],
)
async def test_a_webhook_says_no(follow, server, create, answer, code, message):
    async with follow(validating=[server.at("/a", answer)]) as webhooks:
        with pytest.raises(ApiError) as denied:
            await webhooks.validate(create)

    assert denied.value.code == code
    assert denied.value.message == f'admission webhook "a.example.com" {message}'


async def test_the_reason_of_a_denial_reaches_the_client(follow, server, create):
    answer = denying("no", code=403, reason="Forbidden")
    async with follow(validating=[server.at("/a", answer)]) as webhooks:
        with pytest.raises(ApiError) as denied:
            await webhooks.validate(create)

    assert denied.value.reason == "Forbidden"


async def test_the_details_of_a_denial_reach_the_client(follow, server, create):
    cause: JsonObject = {
        "reason": "FieldValueInvalid",
        "message": "too wide",
        "field": "spec.selector",
    }
    answer = denying("no", code=422, details={"name": "http", "causes": [cause]})
    async with follow(mutating=[server.at("/a", answer)]) as webhooks:
        with pytest.raises(ApiError) as denied:
            await webhooks.mutate(create)

    assert denied.value.to_json()["details"] == {"name": "http", "causes": [cause]}


async def test_warnings_reach_the_client_though_a_later_webhook_says_no(follow, server, create):
    no = saying({"allowed": False, "warnings": ["w2"]})
    async with follow(mutating=[server.at("/a", allowing("w1")), server.at("/b", no)]) as webhooks:
        with pytest.raises(ApiError) as denied:
            await webhooks.mutate(create)

    assert denied.value.warnings == ("w1", "w2")


UNUSABLE = [
    pytest.param(
        replying(500, b"secret"),
        "failed to call webhook: the server responded with the status code 500 but did not return "
        "more information",
        id="an error",
    ),
    pytest.param(
        replying(503, b'{"kind": "Status", "message": "come back later"}'),
        "failed to call webhook: come back later",
        id="a Status",
    ),
    pytest.param(
        replying(302, Location="https://127.0.0.1:1/"),
        "failed to call webhook: the server responded with the status code 302 but did not return "
        "more information",
        id="a redirect",
    ),
    pytest.param(replying(200, b"<html>"), "failed to call webhook: the answer is not JSON", id="no JSON"),
    pytest.param(replying(200, b"[]"), "failed to call webhook: the answer is not a JSON object", id="another JSON"),
    pytest.param(replying(200, b" " * (8 * 2**20 + 1)), "failed to call webhook: the answer is larger than 8388608 bytes", id="endless"),
    pytest.param(replying(200, b"{}"), "received invalid webhook response: webhook response was absent", id="empty"),
    pytest.param(saying({"uid": "zzz"}), 'received invalid webhook response: expected response.uid="', id="another uid"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "reason"), UNUSABLE)
async def test_a_webhook_that_does_not_answer_keeps_from_writing(
    follow, server, create, answer, reason
):
    async with follow(validating=[server.at("/a", answer)]) as webhooks:
        with pytest.raises(ApiError) as failed:
            await webhooks.validate(create)

    why = 'Internal error occurred: failed calling webhook "a.example.com": '
    assert (failed.value.code, failed.value.reason) == (500, "InternalError")
    assert failed.value.message.startswith(why + reason)


@pytest.mark.parametrize(("answer", "reason"), UNUSABLE)
async def test_a_webhook_that_may_fail_does_not_keep_from_writing(
    follow, server, create, calls, answer, reason
):
    lenient = server.at("/a", answer, failurePolicy="Ignore")
    async with follow(mutating=[lenient], validating=[lenient]) as webhooks:
        admitted = await webhooks.mutate(create)
        warnings = await webhooks.validate(create)

    assert admitted.document is create.document
    assert warnings == ()
    assert all(each.outcome.failed_open and not each.outcome.is_rejection for each in calls)


async def test_a_webhook_that_takes_too_long_has_failed(follow, server, create):
    async def never(_request):
        await asyncio.Event().wait()
        raise AssertionError

    async with follow(validating=[server.at("/a", never, timeoutSeconds=1)]) as webhooks:
        with pytest.raises(ApiError) as failed:
            await webhooks.validate(create)

    url = f"https://127.0.0.1:{server.port}/a?timeout=1s"
    assert failed.value.message == (
        'Internal error occurred: failed calling webhook "a.example.com": failed to call webhook: '
        f'Post "{url}": context deadline exceeded'
    )


async def test_nobody_listens(follow, server, create):
    gone = server.at("/a", clientConfig={"url": "https://127.0.0.1:1/a"})
    async with follow(validating=[gone]) as webhooks:
        with pytest.raises(ApiError, match=r"failed to call webhook: Post .*127\.0\.0\.1:1/a"):
            await webhooks.validate(create)


@pytest.mark.parametrize(
    ("bundle", "problem"),
    [
        pytest.param(None, "certificate verify failed", id="none: the system's"),
        pytest.param(b"no PEM", "no start line", id="not one"),
        pytest.param(b"\xff", "Empty certificate data", id="not even text"),
    ],
)
async def test_a_webhook_has_to_prove_who_it_is(follow, server, create, bundle, problem):
    webhook = server.at("/a")
    webhook["clientConfig"].pop("caBundle")
    if bundle:
        webhook["clientConfig"]["caBundle"] = b64encode(bundle).decode()
    async with follow(validating=[webhook]) as webhooks:
        with pytest.raises(ApiError, match=f"failed to call webhook: .*{problem}"):
            await webhooks.validate(create)

    assert not server.asked


async def test_a_bundle_that_is_not_base64_proves_nothing(follow, server, create):
    webhook = server.at("/a")
    webhook["clientConfig"]["caBundle"] = "!"
    async with follow(validating=[webhook]) as webhooks:
        with pytest.raises(ApiError, match="failed to call webhook"):
            await webhooks.validate(create)


async def test_a_webhook_of_no_known_version_cannot_be_asked(follow, server, create):
    webhook = server.at("/a", admissionReviewVersions=["v9"])
    async with follow(validating=[webhook]) as webhooks:
        with pytest.raises(ApiError) as failed:
            await webhooks.validate(create)

    assert failed.value.message.endswith(
        "could not create admission objects: webhook does not accept known AdmissionReview "
        "versions (v1, v1beta1)"
    )


async def test_a_patch_that_does_not_fit_is_an_error_whatever_the_policy(follow, server, create):
    unfit = patching({"op": "remove", "path": "/spec/nonexist"})
    async with follow(mutating=[server.at("/a", unfit, failurePolicy="Ignore")]) as webhooks:
        with pytest.raises(ApiError) as failed:
            await webhooks.mutate(create)

    assert failed.value.code == 500
    assert "nonexist" in failed.value.message


async def test_a_patch_that_makes_no_object_is_an_error(follow, server, create):
    array = patching({"op": "replace", "path": "", "value": []})
    async with follow(mutating=[server.at("/a", array)]) as webhooks:
        with pytest.raises(ApiError) as failed:
            await webhooks.mutate(create)

    assert failed.value.code == 500


@pytest.mark.parametrize("patch", [b"[", b"{}"], ids=["no JSON", "no array"])
async def test_a_patch_that_cannot_be_read_is_no_answer(follow, server, create, patch):
    answer = saying(
        {"allowed": True, "patchType": "JSONPatch", "patch": b64encode(patch).decode()}
    )
    strict, lenient = server.at("/a", answer), server.at("/b", answer, failurePolicy="Ignore")
    async with follow(mutating=[lenient, strict]) as webhooks:
        with pytest.raises(ApiError, match=r"a\.example\.com.*undecodable patch"):
            await webhooks.mutate(create)


async def test_a_deletion_cannot_be_changed(follow, server, delete):
    async with follow(mutating=[server.at("/a", patching(LABELLED))]) as webhooks:
        with pytest.raises(ApiError) as failed:
            await webhooks.mutate(delete)

    assert failed.value.message == (
        'Internal error occurred: admission webhook "a.example.com" attempted to modify the '
        "object, which is not supported for this operation"
    )


LENIENT = {"failurePolicy": "Ignore"}
REFUSED = Outcome(0, "apiserver_internal_error")


@pytest.fixture
def counted(follow, create, calls):
    """Make a dry run with one webhook and return what was counted."""

    async def count(webhook):
        async with follow(validating=[webhook]) as webhooks:
            with suppress(ApiError):
                await webhooks.validate(replace(create, dry_run=True))
        return calls

    return count


@pytest.mark.parametrize(
    ("answer", "changes", "outcome"),
    [
        pytest.param(allowing(), {}, Outcome(200), id="yes"),
        pytest.param(denying(code=403), {}, Outcome(403, "no_error"), id="no"),
        pytest.param(replying(502), {}, Outcome(502, "calling_webhook_error"), id="an error"),
        pytest.param(replying(502), LENIENT, Outcome(502, failed_open=True), id="a lenient error"),
        pytest.param(allowing(), {"sideEffects": "Some"}, REFUSED, id="not to be asked"),
    ],
)
async def test_each_call_is_counted(counted, server, answer, changes, outcome):
    (called,) = await counted(server.at("/a", answer, **changes))

    assert (called.webhook, called.phase, called.operation) == (
        "a.example.com",
        Phase.VALIDATING,
        "CREATE",
    )
    assert called.outcome == outcome
    assert called.outcome.is_rejection is bool(outcome.error_type)
    assert called.seconds > 0
