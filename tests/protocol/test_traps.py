"""What is easily got wrong about Calico's API (calico-semantics 8), by the number of the trap.

Traps 1 to 11 are the selector's own, 23 to 28 the status's, 29 to 37 those of files. Of 13 to 16, 18, 20 to
24 and 42 the bad manifests have more.
"""

import pytest

from tests.support.client import capture, collection

STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


async def created(admin, namespace, **spec):
    answer = await admin.create(namespace, capture(**spec))
    assert answer.code == 201, answer.body
    return answer.json


@pytest.mark.parametrize(
    ("rule", "stored"),
    [
        ({"ports": ["80"]}, {"ports": [80]}),
        ({"ports": ["080"]}, {"ports": [80]}),
        ({"ports": ["80:80"]}, {"ports": [80]}),
        ({"ports": ["6040:6050"]}, {"ports": ["6040:6050"]}),
        ({"protocol": "6"}, {"protocol": 6}),
        ({"protocol": "006"}, {"protocol": 6}),
        ({"protocol": "TCP"}, {"protocol": "TCP"}),
        ({"protocol": None}, {}),
    ],
)
async def test_trap_12_numbers_in_texts_come_back_as_numbers(admin, namespace, rule, stored):
    made = await created(admin, namespace, filters=[rule])

    assert made["spec"]["filters"] == [stored]


@pytest.mark.parametrize(
    "name", ["TCP", "UDP", "ICMP", "ICMPv6", "SCTP", "UDPLite", 6, 255, "255"]
)
async def test_trap_13_every_protocol_is_known_in_its_own_spelling(admin, namespace, name):
    assert await created(admin, namespace, filters=[{"protocol": name}])


async def test_trap_17_a_range_without_quotes_in_yaml_is_no_number_of_base_60(admin, namespace):
    body = b"metadata: {name: http}\nspec: {filters: [{ports: [50:80]}]}\n"

    answer = await admin.request(
        "POST", collection(namespace), body, content_type="application/yaml"
    )

    assert answer.json["spec"]["filters"] == [{"ports": ["50:80"]}]


async def test_trap_18_names_of_ports_are_kept_for_the_pods_to_resolve(admin, namespace):
    made = await created(admin, namespace, filters=[{"protocol": "TCP", "ports": ["foo-bar"]}])

    assert made["spec"]["filters"] == [{"protocol": "TCP", "ports": ["foo-bar"]}]


async def test_trap_19_ports_need_no_protocol_and_the_two_items_of_calicos_sample_are_a_warning(
    admin, namespace
):
    answer = await admin.create(namespace, capture(filters=[{"protocol": "TCP"}, {"ports": [80]}]))

    assert answer.code == 201
    assert "port 80 of any protocol" in answer.warnings[0]


async def test_trap_21_times_are_instants_in_utc_and_whole_seconds(admin, namespace):
    made = await created(
        admin,
        namespace,
        startTime="2026-01-02T15:00:00.999+01:00",
        endTime="2026-01-02T14:30:00Z",
    )

    assert made["spec"]["startTime"] == "2026-01-02T14:00:00Z"


async def test_trap_32_ten_million_bytes_are_a_size_of_files(admin, namespace):
    limits = {"fileSize": 10_000_000, "files": 2}

    answer = await admin.create(namespace, capture(limits=limits))

    assert (answer.code, answer.json["spec"]["limits"]) == (201, limits)
    assert answer.warnings == []


async def test_trap_38_spec_and_status_are_always_there(admin, namespace):
    made = (await admin.create(namespace, {"metadata": {"name": "http"}})).json

    assert made["spec"] == {"selector": "all()"}
    assert made["status"] == {}


async def test_trap_39_an_empty_list_has_items(admin, namespace):
    assert (await admin.get(collection(namespace))).json["items"] == []


async def test_trap_40_a_strategic_merge_patch_is_taken_and_replaces_rules(admin, namespace):
    await created(admin, namespace, filters=[{"protocol": "TCP"}, {"protocol": "UDP"}])

    answer = await admin.request(
        "PATCH",
        collection(namespace, "http"),
        {"spec": {"filters": [{"protocol": "SCTP"}]}},
        content_type=STRATEGIC,
    )

    assert answer.code == 200
    assert answer.json["spec"]["filters"] == [{"protocol": "SCTP"}]


async def test_trap_41_protobuf_is_never_answered_and_may_be_preferred(admin, namespace):
    protobuf = "application/vnd.kubernetes.protobuf"

    async def asked(accept):
        return await admin.request("GET", collection(namespace), headers={"Accept": accept})

    preferred, alone = await asked(f"{protobuf},application/json"), await asked(protobuf)

    assert (preferred.code, preferred.headers["Content-Type"]) == (200, "application/json")
    assert (alone.code, alone.json["kind"]) == (406, "Status")


async def test_trap_43_dots_in_a_name_are_part_of_it(admin, namespace):
    await admin.create(namespace, capture("a.b.c"))

    assert (await admin.get(collection(namespace, "a.b.c"))).code == 200
    assert (await admin.get(collection(namespace, "a"))).code == 404


async def test_trap_44_names_of_calicos_documentation_are_taken_with_a_warning(admin, namespace):
    answer = await admin.create(namespace, capture("Http_1"))

    assert answer.code == 201
    assert "DNS-1123" in answer.warnings[0]


async def test_trap_45_a_probe_needs_no_credentials(session, server, installation):
    async with session.get(f"{server.url}/readyz", ssl=installation.nobody()) as answer:
        assert answer.status == 200


async def test_trap_46_versions_are_decimal_numbers_of_64_bits(admin, namespace):
    made = await created(admin, namespace)

    version = made["metadata"]["resourceVersion"]
    assert version.isascii()
    assert version.isdecimal()
    assert 0 < int(version) < 1 << 64


async def test_trap_47_an_update_that_changes_nothing_is_none(admin, namespace):
    made = await created(admin, namespace, filters=[{"ports": [80]}])
    path = collection(namespace, "http")
    since = made["metadata"]["resourceVersion"]

    async with admin.watch(collection(namespace), resourceVersion=since) as watch:
        same = await admin.put(
            path, made | {"spec": made["spec"] | {"filters": [{"ports": ["80"]}]}}
        )
        await admin.delete(path)
        event = await watch.next()

    assert same.json["metadata"]["resourceVersion"] == since
    assert event["type"] == "DELETED"


async def test_trap_48_the_namespace_may_be_selected(admin, namespace):
    for each in (namespace, f"{namespace}-other"):
        await created(admin, each)

    found = await admin.get(collection(), fieldSelector=f"metadata.namespace={namespace}")

    assert [each["metadata"]["namespace"] for each in found.json["items"]] == [namespace]


async def test_trap_49_a_watch_list_says_when_all_has_come(admin, namespace):
    query = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }

    async with admin.watch(collection(namespace), **query) as watch:
        event = await watch.next()

    assert event["type"] == "BOOKMARK"
    assert event["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


@pytest.mark.parametrize("way", ["dry run", "apply"])
async def test_trap_50_a_dry_run_and_an_apply_are_validated_as_well(admin, namespace, way):
    bad = capture(filters=[{"protocol": "tcp"}])

    if way == "dry run":
        answer = await admin.create(namespace, bad, dryRun="All")
    else:
        path = collection(namespace, "http")
        answer = await admin.request("PATCH", path, bad, content_type=APPLY, fieldManager="me")

    assert answer.code == 422
    assert answer.json["details"]["causes"][0]["field"] == "spec.filters[0].protocol"
