import pytest

from apiserver.cluster.admission.configurations import read_configuration
from apiserver.jsontypes import JsonArray
from apiserver.wire.admissionreview import ReviewVersion


def read_one(webhook):
    (found,) = read_configuration({"metadata": {"name": "c"}, "webhooks": [webhook]})
    return found


def test_a_webhook_is_known_by_its_place():
    webhooks: JsonArray = [{"name": "a"}, "odd", {"name": "b"}]

    found = read_configuration({"metadata": {"name": "c"}, "webhooks": webhooks})

    assert [(each.name, each.place) for each in found] == [("a", ("c", 0)), ("b", ("c", 1))]


def test_what_is_left_out_has_its_default():
    found = read_one({"name": "a", "clientConfig": {"url": "https://x.example.com/y"}})

    assert found.url == "https://x.example.com/y"
    assert found.ca_bundle == b""
    assert found.timeout_seconds == 10
    assert found.review_version is None
    assert not found.fails_open
    assert not found.may_dry_run
    assert not found.is_reinvoked
    assert not found.has_conditions


@pytest.mark.parametrize(
    ("service", "url"),
    [
        pytest.param({}, "https://hook.ops.svc:443/", id="no port, no path"),
        pytest.param({"port": 8443}, "https://hook.ops.svc:8443/", id="a port"),
        pytest.param({"path": "/a/b"}, "https://hook.ops.svc:443/a/b", id="a path"),
    ],
)
def test_a_service_is_a_host(service, url):
    access = {"service": {"name": "hook", "namespace": "ops", **service}}

    assert read_one({"clientConfig": access}).url == url


@pytest.mark.parametrize(
    ("versions", "chosen"),
    [
        pytest.param(["v1", "v1beta1"], ReviewVersion.V1, id="the first"),
        pytest.param(["v9", "v1beta1"], ReviewVersion.V1BETA1, id="the first known"),
        pytest.param(["v9", 1], None, id="none known"),
    ],
)
def test_the_first_known_version_is_spoken(versions, chosen):
    assert read_one({"admissionReviewVersions": versions}).review_version is chosen


@pytest.mark.parametrize(
    ("side_effects", "may_dry_run"),
    [("None", True), ("NoneOnDryRun", True), ("Some", False), ("Unknown", False), (None, False)],
)
def test_a_dry_run_needs_a_webhook_without_side_effects(side_effects, may_dry_run):
    assert read_one({"sideEffects": side_effects}).may_dry_run is may_dry_run


@pytest.mark.parametrize(("asked", "seconds"), [(1, 1), (30, 30), (31, 30), (-1, 1)])
def test_a_timeout_is_bounded(asked, seconds):
    assert read_one({"timeoutSeconds": asked}).timeout_seconds == seconds
