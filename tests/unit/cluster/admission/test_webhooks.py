"""Which webhooks are asked, in which order, and what they are told."""

import asyncio
from dataclasses import replace

import pytest

from apiserver.cluster.admission import observed
from apiserver.cluster.admission.webhooks import (
    MUTATING_PATH,
    VALIDATING_PATH,
)
from apiserver.cluster.namespaces import PATH as NAMESPACES_PATH
from apiserver.jsontypes import JsonObject
from apiserver.wire.status import ApiError
from tests.fakes.webhook import (
    a_configuration,
    a_patch,
    a_rule,
    allowing,
    denying,
    patching,
)

LABELLED: JsonObject = {"op": "add", "path": "/metadata/labels", "value": {"team": "net"}}


async def test_a_mutating_webhook_changes_the_object(follow, server, create):
    async with follow(mutating=[server.at("/a", patching(LABELLED))]) as webhooks:
        admitted = await webhooks.mutate(create)

    assert admitted.document["metadata"]["labels"] == {"team": "net"}
    assert "labels" not in create.document["metadata"]


async def test_an_object_that_nobody_changes_stays_the_same_one(follow, server, create):
    nothing = patching({"op": "add", "path": "/spec/selector", "value": "all()"})
    async with follow(mutating=[server.at("/a"), server.at("/b", nothing)]) as webhooks:
        admitted = await webhooks.mutate(create)

    assert admitted.document is create.document
    assert server.paths == ["/a", "/b"]


async def test_a_webhook_is_asked_as_kube_apiserver_asks(follow, server, create):
    async with follow(validating=[server.at("/a", timeoutSeconds=7)]) as webhooks:
        await webhooks.validate(create)

    (asked,) = server.asked
    assert asked.query == "timeout=7s"
    assert asked.user_agent == "kube-apiserver-admission"
    assert asked.review["apiVersion"] == "admission.k8s.io/v1"
    assert asked.request["object"] == create.document
    assert asked.request["userInfo"] == create.user


async def test_mutating_webhooks_see_what_those_before_made(follow, api, server, create):
    await api.create(MUTATING_PATH, a_configuration("b", server.at("/third")))
    await api.create(
        MUTATING_PATH,
        a_configuration("a", server.at("/first", patching(LABELLED)), server.at("/second")),
    )
    async with follow() as webhooks:
        await webhooks.mutate(create)

    assert server.paths == ["/first", "/second", "/third"]
    assert server.asked[2].request["object"]["metadata"]["labels"] == {"team": "net"}


async def test_a_webhook_is_asked_once_more_if_a_later_one_changed_the_object(
    follow, server, create
):
    webhooks = [
        server.at("/if-needed", reinvocationPolicy="IfNeeded"),
        server.at("/never", reinvocationPolicy="Never"),
        server.at("/changes", patching(LABELLED), reinvocationPolicy="IfNeeded"),
        server.at("/content", reinvocationPolicy="IfNeeded"),
    ]
    async with follow(mutating=webhooks) as following:
        await following.mutate(create)

    assert server.paths == ["/if-needed", "/never", "/changes", "/content", "/if-needed"]


async def test_a_change_in_the_second_round_reaches_those_that_come_after(follow, server, create):
    async def count(_request):
        times = server.paths.count("/counts")
        return a_patch([{"op": "add", "path": "/metadata/labels", "value": {"n": str(times)}}])

    webhooks = [
        server.at("/counts", count, reinvocationPolicy="IfNeeded"),
        server.at("/changes", patching({"op": "add", "path": "/spec/x", "value": 1})),
        server.at("/after", reinvocationPolicy="IfNeeded"),
    ]
    async with follow(mutating=webhooks) as following:
        admitted = await following.mutate(create)

    assert server.paths == ["/counts", "/changes", "/after", "/counts", "/after"]
    assert admitted.document["metadata"]["labels"] == {"n": "2"}


async def test_validating_webhooks_are_asked_all_at_once(follow, server, create):
    meeting = asyncio.Barrier(2)

    async def meet(_request):
        await meeting.wait()
        return {"allowed": True}

    webhooks = [server.at("/a", meet), server.at("/b", meet)]
    async with follow(validating=webhooks) as following, asyncio.timeout(10):
        assert await following.validate(create) == ()


async def test_however_many_are_asked_none_waits_for_another(follow, server, create):
    """A webhook that hangs would else have others passed by that fail open."""
    asked = 120
    meeting = asyncio.Barrier(asked)

    async def meet(_request):
        await meeting.wait()
        return {"allowed": True}

    webhook = server.at("/a", meet, timeoutSeconds=30)
    async with (
        follow(validating=[webhook]) as following,
        asyncio.timeout(30),
        asyncio.TaskGroup() as tasks,
    ):
        for _ in range(asked):
            tasks.create_task(following.validate(create))


async def test_all_validating_webhooks_are_asked_though_one_says_no(follow, server, create):
    said_no = asyncio.Event()

    async def no(_request):
        said_no.set()
        return {"allowed": False, "warnings": ["from no"]}

    async def late(_request):
        await said_no.wait()
        return {"allowed": True, "warnings": ["from yes"]}

    async with follow(validating=[server.at("/a", late), server.at("/b", no)]) as webhooks:
        with pytest.raises(ApiError, match=r"b\.example\.com") as denied:
            await webhooks.validate(create)

    assert sorted(denied.value.warnings) == ["from no", "from yes"]


async def test_warnings_reach_the_client(follow, server, create):
    one, other = server.at("/a", allowing("w1", "w2")), server.at("/b", allowing("w3"))
    async with follow(mutating=[one, other], validating=[one]) as webhooks:
        admitted = await webhooks.mutate(create)
        warnings = await webhooks.validate(create)

    assert admitted.warnings == ("w1", "w2", "w3")
    assert warnings == ("w1", "w2")


async def test_a_dry_run_is_refused_where_a_webhook_has_side_effects(follow, server, create):
    webhook = server.at("/a", sideEffects="Some", failurePolicy="Ignore")
    async with follow(validating=[webhook]) as webhooks:
        with pytest.raises(ApiError) as refused:
            await webhooks.validate(replace(create, dry_run=True))

    assert (refused.value.code, refused.value.reason) == (400, "BadRequest")
    assert refused.value.message == 'admission webhook "a.example.com" does not support dry run'
    assert not server.asked


async def test_a_dry_run_is_told_to_webhooks(follow, server, create):
    webhook = server.at("/a", sideEffects="NoneOnDryRun")
    async with follow(validating=[webhook]) as webhooks:
        await webhooks.validate(replace(create, dry_run=True))

    assert server.asked[0].request["dryRun"] is True


@pytest.mark.parametrize(
    ("selector", "is_asked"),
    [
        pytest.param({"matchLabels": {"team": "net"}}, True, id="its label"),
        pytest.param({"matchLabels": {"team": "web"}}, False, id="another label"),
        pytest.param({}, True, id="all"),
    ],
)
async def test_a_webhook_is_asked_about_some_namespaces(
    follow, server, create, selector, is_asked
):
    webhook = server.at("/a", namespaceSelector=selector)
    async with follow(mutating=[webhook]) as webhooks:
        await webhooks.mutate(create)

    assert bool(server.asked) is is_asked


async def test_a_namespace_that_is_not_there_has_no_labels(follow, server, create):
    webhook = server.at("/a", namespaceSelector={"matchLabels": {"team": "net"}})
    async with follow(mutating=[webhook]) as webhooks:
        with pytest.raises(ApiError, match='namespaces "gone" not found'):
            await webhooks.mutate(replace(create, namespace="gone"))


async def test_a_namespace_that_cannot_be_looked_up_keeps_from_writing(
    follow, api, server, create
):
    webhook = server.at("/a", namespaceSelector={"matchLabels": {"team": "net"}})
    api.refusals["GET", f"{NAMESPACES_PATH}/gone"] = (500, "InternalError")
    async with follow(mutating=[webhook]) as webhooks:
        with pytest.raises(ApiError) as failed:
            await webhooks.mutate(replace(create, namespace="gone"))

    assert failed.value.code == 500


async def test_a_webhook_with_conditions_is_asked_as_if_they_held(follow, server, create, caplog):
    webhook = server.at("/a", matchConditions=[{"name": "never", "expression": "false"}])
    async with follow(validating=[webhook]) as webhooks:
        await webhooks.validate(create)

    assert server.paths == ["/a"]
    assert "matchConditions of a webhook are not evaluated" in caplog.text


async def test_webhooks_about_others_are_not_asked(follow, server, create):
    webhook = server.at("/a", rules=[a_rule(resources=["pods"])])
    async with follow(mutating=[webhook], validating=[webhook]) as webhooks:
        await webhooks.mutate(create)
        await webhooks.validate(create)

    assert not server.asked


async def is_asked(webhooks, server, create):
    """Tell whether a write asks anybody."""
    before = len(server.asked)
    await webhooks.validate(create)
    return len(server.asked) > before


async def test_a_configuration_counts_for_as_long_as_it_is_there(follow, api, server, create):
    async with follow() as webhooks, asyncio.timeout(10):
        assert not await is_asked(webhooks, server, create)

        await api.create(VALIDATING_PATH, a_configuration("new", server.at("/a")))
        while not await is_asked(webhooks, server, create):  # noqa: ASYNC110 - no event of its own
            await asyncio.sleep(0)

        await api.delete(f"{VALIDATING_PATH}/new")
        while await is_asked(webhooks, server, create):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)


async def test_nothing_is_written_before_the_webhooks_are_known(follow, api, create, monkeypatch):
    monkeypatch.setattr(observed, "PATIENCE_SECONDS", 0.05)
    api.refusals["GET", VALIDATING_PATH] = (403, "Forbidden")
    async with follow() as webhooks:
        with pytest.raises(ApiError) as refused:
            await webhooks.validate(create)
        problem = webhooks.problem

    assert refused.value.code == 403
    assert refused.value.message == (
        'packetcaptures.projectcalico.org "http" is forbidden: not yet ready to handle request'
    )
    assert "ValidatingWebhookConfigurations cannot be listed: 403 Forbidden" in problem
    assert "needs list and watch" in problem


async def test_what_was_seen_counts_while_the_cluster_is_away(follow, api, server, create):
    async with follow(validating=[server.at("/a", denying("no"))]) as webhooks:
        with pytest.raises(ApiError):
            await webhooks.validate(create)
        await api.go_out()

        with pytest.raises(ApiError, match="denied the request: no"):
            await webhooks.validate(create)

        assert not webhooks.problem
