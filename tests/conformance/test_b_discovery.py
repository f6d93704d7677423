"""B. Discovery."""

import pytest

from tests.conformance.checks import check
from tests.support.client import GROUP, capture

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
BETA = AGGREGATED.replace("v=v2;", "v=v2beta1;")

NAMES = (
    "packetcaptures",
    "packetcapture",
    "PacketCapture",
    "PacketCaptures",
    "packetcapture.p",
    "packetcapture.projectcalico",
    "PacketCaptures.projectcalico.org",
    "packetcaptures.v3.projectcalico.org",
)


async def discovered(client, accept, **headers):
    return await client.request("GET", "/apis", headers={"Accept": accept, **headers})


def named(items, name):
    return next(
        each for each in items if each.get("name", each.get("metadata", {}).get("name")) == name
    )


@check(13)
async def test_aggregated_discovery_says_all_at_once(admin):
    answer = await discovered(admin, AGGREGATED)

    assert answer.code == 200
    assert answer.headers["Content-Type"] == AGGREGATED
    assert answer.json["kind"] == "APIGroupDiscoveryList"
    (version,) = named(answer.json["items"], "projectcalico.org")["versions"]
    assert (version["version"], version["freshness"]) == ("v3", "Current")
    resource = next(each for each in version["resources"] if each["resource"] == "packetcaptures")
    assert resource["responseKind"]["kind"] == "PacketCapture"
    assert resource["scope"] == "Namespaced"
    assert [each["subresource"] for each in resource["subresources"]].count("status") == 1


@check(14)
async def test_the_beta_of_discovery_is_not_served(admin):
    answer = await discovered(admin, BETA)

    assert (answer.code, answer.json["reason"]) == (406, "NotAcceptable")
    assert answer.json["message"].startswith("only the following media types are accepted: ")


@check(14)
@pytest.mark.parametrize(
    "accept",
    [f"{BETA},application/json", f"application/json,{AGGREGATED}", f"{BETA},{AGGREGATED};q=0.1"],
)
async def test_who_accepts_more_than_the_beta_gets_it(admin, accept):
    answer = await discovered(admin, accept)

    kind = "APIGroupDiscoveryList" if AGGREGATED in accept else "APIGroupList"
    assert (answer.code, answer.json["kind"]) == (200, kind)


@check(15)
@pytest.mark.parametrize("accept", ["application/json", "*/*"])
async def test_legacy_discovery_lists_the_group(admin, accept):
    answer = await discovered(admin, accept)

    assert (answer.code, answer.json["kind"]) == (200, "APIGroupList")
    group = named(answer.json["groups"], "projectcalico.org")
    version = {"groupVersion": "projectcalico.org/v3", "version": "v3"}
    assert (group["versions"], group["preferredVersion"]) == ([version], version)


@check(16)
async def test_discovery_that_has_not_changed_is_not_sent_again(admin):
    tag = (await discovered(admin, AGGREGATED)).headers["ETag"]

    again = await discovered(admin, AGGREGATED, **{"If-None-Match": tag})

    assert (again.code, again.body, again.headers["ETag"]) == (304, b"", tag)


@check(17)
@pytest.mark.parametrize("path", [GROUP, f"{GROUP}/"])
async def test_the_resources_of_the_group_are_listed(admin, path):
    answer = await admin.get(path)

    resources = {each["name"]: each for each in answer.json["resources"]}
    main, status = resources["packetcaptures"], resources["packetcaptures/status"]
    assert (answer.json["kind"], answer.json["groupVersion"]) == (
        "APIResourceList",
        "projectcalico.org/v3",
    )
    assert main["verbs"] == [
        *("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
    ]
    assert (main["singularName"], main["namespaced"]) == ("packetcapture", True)
    assert (status["singularName"], status["kind"]) == ("", "PacketCapture")
    assert status["verbs"] == ["get", "patch", "update"]


@check(18)
def test_kubectl_knows_the_resource(kubectl):
    said = kubectl("api-resources", "--api-group=projectcalico.org", "-o", "wide")

    rows = [line.split()[:4] for line in said.stdout.splitlines()]
    assert ["packetcaptures", "projectcalico.org/v3", "true", "PacketCapture"] in rows
    assert said.stderr == ""


@check(19)
async def test_kubectl_finds_the_resource_by_each_of_its_names(admin, namespace, kubectl):
    await admin.create(namespace, capture())

    found = {name: kubectl("get", name, "-o", "name").stdout for name in NAMES}

    assert found == dict.fromkeys(NAMES, "packetcapture.projectcalico.org/http\n")


@check(19)
def test_the_name_of_a_group_has_its_case(kubectl):
    said = kubectl("get", "packetcaptures.Projectcalico.org", fails=True)

    assert "the server doesn't have a resource type" in said.stderr


@check(20)
@pytest.mark.parametrize("path", ["/apis", GROUP])
async def test_who_is_known_may_discover(as_user, user, path):
    assert (await as_user(user).get(path)).code == 200
