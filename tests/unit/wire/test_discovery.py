"""Discovery documents."""

import hashlib

from apiserver.wire import discovery
from apiserver.wire.resources import Resource, Subresource
from tests.support.documents import as_sent

THINGS = Resource(
    "g.io", "v1", "things", "thing", "Thing", "ThingList",
    ("watch", "create", "get", "list", "update", "patch", "delete", "deletecollection"),
    short_names=("th",), categories=("all",),
    subresources=(
        Subresource("status", ("update", "patch", "get")),
        Subresource("log", ("get",), "ThingLog"),
    ),
)  # fmt: skip
REPORTS = Resource(
    "g.io", "v1", "reports", "report", "Report", "ReportList", ("create",), namespaced=False
)
ALL = (THINGS, REPORTS)
VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def test_the_groups():
    version = {"groupVersion": "g.io/v1", "version": "v1"}

    assert as_sent(discovery.api_group_list(ALL)) == {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [{"name": "g.io", "versions": [version], "preferredVersion": version}],
    }


def test_one_group():
    document = as_sent(discovery.api_group(ALL))

    assert (document["kind"], document["name"]) == ("APIGroup", "g.io")
    assert document["preferredVersion"] == {"groupVersion": "g.io/v1", "version": "v1"}


def test_the_resources_of_a_version():
    document = as_sent(discovery.api_resource_list(ALL))

    assert (document["kind"], document["groupVersion"]) == ("APIResourceList", "g.io/v1")
    things, status, log, reports = document["resources"]
    assert things.pop("storageVersionHash")
    assert things == {
        "name": "things", "singularName": "thing", "namespaced": True, "kind": "Thing",
        "verbs": VERBS, "shortNames": ["th"], "categories": ["all"],
    }  # fmt: skip
    assert status == {
        "name": "things/status", "singularName": "", "namespaced": True, "kind": "Thing",
        "verbs": ["get", "patch", "update"],
    }  # fmt: skip
    assert log["kind"] == "ThingLog"
    assert reports == {
        "name": "reports", "singularName": "report", "namespaced": False, "kind": "Report",
        "verbs": ["create"],
    }  # fmt: skip


def test_all_in_one_document():
    document = as_sent(discovery.aggregated(ALL))

    assert (document["kind"], document["apiVersion"]) == (
        "APIGroupDiscoveryList",
        "apidiscovery.k8s.io/v2",
    )
    (group,) = document["items"]
    assert group["metadata"] == {"name": "g.io"}
    (version,) = group["versions"]
    assert (version["version"], version["freshness"]) == ("v1", "Current")
    things, reports = version["resources"]
    kind = {"group": "g.io", "version": "v1", "kind": "Thing"}
    assert things == {
        "resource": "things", "responseKind": kind, "scope": "Namespaced",
        "singularResource": "thing", "verbs": VERBS, "shortNames": ["th"], "categories": ["all"],
        "subresources": [
            {"subresource": "status", "responseKind": kind, "verbs": ["get", "patch", "update"]},
            {"subresource": "log", "responseKind": {**kind, "kind": "ThingLog"}, "verbs": ["get"]},
        ],
    }  # fmt: skip
    assert reports["scope"] == "Cluster"
    assert "subresources" not in reports


def test_an_entity_tag_is_a_quoted_hash_of_the_document():
    assert discovery.etag(b"x") == f'"{hashlib.sha512(b"x").hexdigest().upper()}"'
