"""The library `kubernetes`, the official one for Python."""

import json
import queue
from types import SimpleNamespace

import pytest
from kubernetes import client as kubernetes_client
from kubernetes import config, dynamic, watch
from kubernetes.dynamic import exceptions
from kubernetes.informer import SharedInformer

from tests.conformance.checks import client
from tests.conformance.history import FORGOTTEN
from tests.support.client import capture

_LIBRARY = "kubernetes (Python)"
_PATCH = {
    "body": [{"op": "replace", "path": "/spec/selector", "value": "has(c)"}],
    "_content_type": "application/json-patch+json",
}


@pytest.fixture
def connection(kubeconfig):
    with config.new_client_from_config(str(kubeconfig)) as opened:
        yield opened


@pytest.fixture
def objects(connection):
    return kubernetes_client.CustomObjectsApi(connection)


@pytest.fixture
def where(namespace):
    return {
        "group": "projectcalico.org",
        "version": "v3",
        "namespace": namespace,
        "plural": "packetcaptures",
    }


def causes(error):
    return [each["field"] for each in json.loads(error.body)["details"]["causes"]]


@client(_LIBRARY, "custom objects: all verbs, patches, pages, errors")
def test_custom_objects_are_written_and_read(objects, where):
    one = {**where, "name": "a"}

    made = objects.create_namespaced_custom_object(**where, body=capture("a", selector="has(a)"))
    objects.create_namespaced_custom_object(**where, body=capture("b"), dry_run="All")
    objects.create_namespaced_custom_object(**where, body=capture("b"))
    made["spec"]["selector"] = "has(b)"
    replaced = objects.replace_namespaced_custom_object(**one, body=made)
    patched = objects.patch_namespaced_custom_object(**one, **_PATCH)
    merged = objects.patch_namespaced_custom_object(
        **one, body={"spec": {"endTime": "2030-01-01T00:00:00Z"}}
    )
    reported = objects.patch_namespaced_custom_object_status(
        **one, body={"status": {"packets": 7}, "spec": {"selector": "not()"}}
    )
    first = objects.list_namespaced_custom_object(**where, limit=1)
    rest = objects.list_namespaced_custom_object(
        **where, _continue=first["metadata"]["continue"], limit=1
    )

    assert replaced["spec"]["selector"] == "has(b)"
    assert patched["spec"]["selector"] == "has(c)"
    assert merged["spec"] == {"selector": "has(c)", "endTime": "2030-01-01T00:00:00Z"}
    assert (reported["status"], reported["spec"]) == ({"packets": 7}, merged["spec"])
    assert [each["metadata"]["name"] for each in first["items"] + rest["items"]] == ["a", "b"]
    with pytest.raises(kubernetes_client.ApiException) as conflict:
        objects.replace_namespaced_custom_object(**one, body=made)
    with pytest.raises(kubernetes_client.ApiException) as invalid:
        objects.create_namespaced_custom_object(**where, body=capture("c", selector="(("))
    objects.delete_namespaced_custom_object(**one)
    with pytest.raises(kubernetes_client.ApiException) as missing:
        objects.get_namespaced_custom_object(**one)
    objects.delete_collection_namespaced_custom_object(**where)
    assert objects.list_namespaced_custom_object(**where)["items"] == []
    found = [each.value.status for each in (conflict, invalid, missing)]
    assert (found, causes(invalid.value)) == ([409, 422, 404], ["spec.selector"])


@client(_LIBRARY, "watch, resumed where it ended; 410 as an exception")
def test_a_watch_goes_on_where_it_was(objects, where):
    start = objects.list_namespaced_custom_object(**where)["metadata"]["resourceVersion"]
    objects.create_namespaced_custom_object(**where, body=capture("a"))
    objects.create_namespaced_custom_object(**where, body=capture("b"))
    objects.delete_namespaced_custom_object(**where, name="a")

    watching = watch.Watch()
    list_them = objects.list_namespaced_custom_object
    seen = []
    for event in watching.stream(list_them, **where, resource_version=start):
        seen.append((event["type"], event["object"]["metadata"]["name"]))
        watching.stop()
    for event in watching.stream(list_them, **where, resource_version=watching.resource_version):
        seen.append((event["type"], event["object"]["metadata"]["name"]))
        if len(seen) == 3:
            watching.stop()

    assert seen == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]
    with pytest.raises(kubernetes_client.ApiException, match="Expired") as expired:
        next(watch.Watch().stream(list_them, **where, resource_version=str(FORGOTTEN)))
    assert expired.value.status == 410


@client(_LIBRARY, "dynamic client: discovery, strategic patch, server-side apply, its errors")
def test_the_dynamic_client_finds_and_applies(connection, namespace):
    captures = dynamic.DynamicClient(connection).resources.get(
        api_version="projectcalico.org/v3", kind="PacketCapture"
    )
    theirs = {"body": capture("a", selector="has(b)"), "field_manager": "theirs"}

    made = captures.server_side_apply(
        body=capture("a", selector="has(a)"), namespace=namespace, field_manager="mine"
    )
    patched = captures.patch(
        body={"metadata": {"name": "a", "labels": {"team": "x"}}}, namespace=namespace
    )
    with pytest.raises(exceptions.ConflictError) as conflict:
        captures.server_side_apply(**theirs, namespace=namespace)
    forced = captures.server_side_apply(**theirs, namespace=namespace, force_conflicts=True)
    selected = captures.get(namespace=namespace, label_selector="team=x")
    with pytest.raises(exceptions.UnprocessibleEntityError) as invalid:
        captures.create(body=capture("b", selector="(("), namespace=namespace)
    deleted = captures.delete(name="a", namespace=namespace)
    with pytest.raises(exceptions.NotFoundError):
        captures.get(name="a", namespace=namespace)

    assert (made.spec.selector, patched.metadata.labels.team) == ("has(a)", "x")
    assert causes(conflict.value) == [".spec.selector"]
    assert causes(invalid.value) == ["spec.selector"]
    assert forced.spec.selector == "has(b)"
    assert [each.metadata.name for each in selected.items] == ["a"]
    assert (deleted.status, deleted.details.name) == ("Success", "a")


@client(_LIBRARY, "informer")
def test_an_informer_is_in_step(objects, where):
    def list_or_watch(**query):
        answer = objects.list_namespaced_custom_object(**where, **query)
        if query.get("watch"):
            return answer
        version = SimpleNamespace(resource_version=answer["metadata"]["resourceVersion"])
        return SimpleNamespace(items=answer["items"], metadata=version)

    seen: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
    informer = SharedInformer(list_or_watch)
    for kind in ("ADDED", "MODIFIED", "DELETED"):
        informer.add_event_handler(
            kind, lambda item, kind=kind: seen.put((kind, item["metadata"]["name"]))
        )
    objects.create_namespaced_custom_object(**where, body=capture("a"))

    informer.start()
    try:
        assert seen.get(timeout=10) == ("ADDED", "a")
        objects.create_namespaced_custom_object(**where, body=capture("b"))
        assert seen.get(timeout=10) == ("ADDED", "b")
        objects.patch_namespaced_custom_object(**where, name="a", **_PATCH)
        assert seen.get(timeout=10) == ("MODIFIED", "a")
        objects.delete_namespaced_custom_object(**where, name="b")
        assert seen.get(timeout=10) == ("DELETED", "b")
        (kept,) = informer.cache.list()
    finally:
        informer.stop()

    assert kept["spec"]["selector"] == "has(c)"
