"""The resource as users of a cluster meet it: how it stands, what is told of it, what would happen."""

import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster import captures
from tests.cluster.captures import endpoints
from tests.cluster.cluster import Cluster
from tests.cluster.install import NAMESPACE, install
from tests.cluster.interruptions import replace_agent, replace_server
from tests.cluster.operating import readiness, until_logged
from tests.cluster.pings import pinger
from tests.cluster.standing import change, condition, until_capture, until_condition, until_told
from tests.cluster.workloads import Document, pod
from tests.support.client import capture

AGENTS = "daemonset/packetcapture-agent"
CAPTURE = "packetcaptures.p/all"
CLUSTER_ROLE = "clusterrole/packetcapture-apiserver"
NODE, OTHER_NODE = "node-a", "node-b"
PATIENCE = 150

WEB = [{"protocol": "TCP", "ports": [80]}]
DNS = [{"protocol": "UDP", "ports": [53]}]


def test_kubectl_waits_for_a_capture_to_be_ready_and_complete(product, namespace):
    captures.create(product, namespace, selector=f'app == "{NODE}"')
    product.wait("condition=Ready=False", CAPTURE, namespace=namespace)
    lonely = until_condition(product, namespace, "Ready", "NoEndpoints")

    product.apply(pinger(product, NODE), namespace=namespace)
    product.wait("condition=Ready", CAPTURE, namespace=namespace)
    running = until_capture(product, namespace, lambda it: it["status"].get("packets", 0) > 0)
    captures.finish(product, namespace)
    product.wait("condition=Complete", CAPTURE, namespace=namespace)
    complete = until_condition(product, namespace, "Complete", "EndTime")

    assert "matches no pod" in condition(lonely, "Ready")["message"]
    assert condition(running, "Complete")["status"] == "False"
    assert condition(complete, "Ready")["status"] == "False"
    assert condition(complete, "Complete")["observedGeneration"] == 2


def test_a_capture_that_goes_on_is_complete_no_more(product, namespace):
    product.apply(pod("web", node=NODE), namespace=namespace)
    captures.create(product, namespace, endTime="2000-01-01T00:00:00Z")
    product.wait("condition=Complete", CAPTURE, namespace=namespace)

    change(product, namespace, {"endTime": None})
    # What is there right after the write is of the new spec, or says that it is not complete.
    shown = product.get(CAPTURE, f"--namespace={namespace}")
    product.wait("condition=Ready", CAPTURE, namespace=namespace)

    assert condition(shown, "Complete")["status"] == "False"
    assert condition(shown, "Complete")["observedGeneration"] == 2


def test_events_tell_what_happens_to_a_capture(product, namespace):
    captures.create(product, namespace)
    until_told(product, namespace, "NoEndpoints")
    product.apply(pinger(product, NODE), namespace=namespace)
    started = until_told(product, namespace, "Started")
    until_told(product, namespace, "FirstPacket")
    captures.finish(product, namespace)
    until_told(product, namespace, "Finished")

    within = f"--namespace={namespace}"
    listed = product.kubectl("get", "events", "--field-selector=involvedObject.name=all", within)
    described = product.kubectl("describe", "packetcaptures.p", "all", within).stdout

    uid = product.get(CAPTURE, within)["metadata"]["uid"]
    assert started["regarding"]["uid"] == uid
    assert started["reportingController"] == "packetcapture-apiserver"
    assert started["reportingInstance"].startswith("packetcapture-apiserver-")
    for reason in ("NoEndpoints", "Started", "FirstPacket", "Finished"):
        assert reason in listed.stdout
        assert reason in described.partition("Events:")[2]


def test_a_capture_whose_name_no_event_may_have_is_told_of(product, namespace):
    captures.create(product, namespace, name="Web_1")

    event = until_told(product, namespace, "NoEndpoints")

    assert event["regarding"]["name"] == "Web_1"
    assert event["metadata"]["name"].startswith("web-1.")


def test_a_dry_run_says_whom_a_capture_would_select(product, namespace):
    product.apply(
        pod("web", node=NODE),
        pod("host", node=OTHER_NODE, hostNetwork=True),
        pod("lost", nodeSelector={"no": "such"}),
        namespace=namespace,
    )

    def names_all(text: str) -> bool:
        return all(each in text for each in ("web", "host", "lost"))

    told = tried_until(product, namespace, names_all)

    assert f"{NODE}: web" in told
    assert "cannot be captured now: not scheduled to a node yet: lost" in told
    assert f"hostNetwork, whose traffic is their node's: {OTHER_NODE}: host" in told
    assert "filter: " in told
    assert "tcp port 80" in told
    assert not product.get("packetcaptures.p", f"--namespace={namespace}")["items"]


def test_who_may_not_list_pods_gets_numbers_from_a_dry_run(product, namespace):
    product.apply(pod("web", node=NODE), pod("db", node=OTHER_NODE), namespace=namespace)
    tried_until(product, namespace, lambda text: "web" in text and "db" in text)

    told = tried(product, namespace, kubeconfig=author(product, namespace))

    assert "selects 2 pods on 2 nodes" in told
    for each in ("web", "db", NODE, OTHER_NODE):
        assert each not in told


def test_kubectl_explains_what_a_rule_may_say(product):
    explained = product.kubectl("explain", "packetcapture.spec.filters").stdout

    for each in ("srcNets", "dstNets", "direction", "tcpFlags", "icmpType", "expression"):
        assert each in explained


def test_rules_of_two_owners_are_a_conflict_and_never_a_mixture(product, namespace):
    applied(product, namespace, "first", WEB)

    refused = applied(product, namespace, "second", DNS, check=False)
    forced = applied(product, namespace, "second", DNS, "--force-conflicts")

    assert refused.returncode == 1
    assert 'conflict with "first": .spec.filters' in refused.stderr
    assert json.loads(forced.stdout)["spec"]["filters"] == DNS


def test_a_strategic_merge_patch_of_a_status_merges_nodes(product, namespace):
    product.apply(pod("web", node=NODE), namespace=namespace)
    captures.create(product, namespace)
    captures.until_running(product, namespace, "web")

    patch = {"status": {"files": [{"node": "elsewhere", "state": "Finished"}]}}
    flags = ("--subresource=status", "--type=strategic", "--output=json")
    done = product.kubectl(
        "patch", CAPTURE, f"--patch={json.dumps(patch)}", *flags, f"--namespace={namespace}"
    )

    files = {each["node"]: each for each in json.loads(done.stdout)["status"]["files"]}
    assert files.keys() == {NODE, "elsewhere"}
    assert [each["pod"] for each in files[NODE]["endpoints"]] == ["web"]


@pytest.mark.timeout(400)
def test_an_agent_that_is_away_is_said_to_be_and_so_are_the_pods_without_one(installed):
    with installed.namespace() as namespace:
        installed.apply(pod("web", node=OTHER_NODE), namespace=namespace)
        captures.create(installed, namespace)
        installed.wait("condition=Ready", CAPTURE, namespace=namespace)

        remove_agent(installed, OTHER_NODE)
        installed.apply(pod("late", node=OTHER_NODE), namespace=namespace)
        (late,) = (
            each
            for each in captures.until(
                installed, namespace, lambda found: "late" in {each.pod for each in found}
            )
            if each.pod == "late"
        )
        silent = until_condition(
            installed, namespace, "Ready", "AgentUnreachable", seconds=PATIENCE
        )
        event = until_told(installed, namespace, "AgentUnreachable")
        failed = until_told(installed, namespace, "CaptureFailed")
        install(installed)
        back = until_condition(installed, namespace, "Ready", "AllAttached")

    assert (late.state, late.message) == ("Error", "no agent on its node")
    assert f"node {OTHER_NODE} since " in condition(silent, "Ready")["message"]
    assert event["type"] == failed["type"] == "Warning"
    assert f"late on node {OTHER_NODE}: no agent on its node" in failed["note"]
    assert {each.pod for each in captures.running(endpoints(back))} == {"web", "late"}


@pytest.mark.timeout(300)
def test_an_agent_that_is_replaced_is_ready_again(installed):
    with installed.namespace() as namespace:
        installed.apply(pod("web", node=NODE), namespace=namespace)
        captures.create(installed, namespace)
        installed.wait("condition=Ready", CAPTURE, namespace=namespace)
        former = run_of(installed.get(CAPTURE, f"--namespace={namespace}"), NODE)

        replace_agent(installed, NODE)
        back = until_capture(installed, namespace, lambda it: run_of(it, NODE) != former)
        ready = until_condition(installed, namespace, "Ready", "AllAttached")

    assert former
    assert run_of(ready, NODE) == run_of(back, NODE)
    assert [each.pod for each in captures.running(endpoints(ready))] == ["web"]


@pytest.mark.timeout(300)
def test_a_server_without_its_new_rights_serves_says_what_it_needs_and_heals(installed):
    take_rights(installed, "pods", "nodes", "events")
    replace_server(installed)

    with installed.namespace() as namespace:
        lacking = until_logged(installed, lambda line: "pods" in line.get("missing_right", ""))
        installed.apply(pod("web", node=NODE), namespace=namespace)
        captures.create(installed, namespace, name="lonely", selector="none == 'x'")
        captures.create(installed, namespace)
        captures.until_running(installed, namespace, "web")
        told = tried(installed, namespace)
        unready = readiness(installed)
        install(installed)
        until_condition(installed, namespace, "Ready", "NoEndpoints", name="lonely")

    assert lacking["missing_right"] == "list and watch pods of all namespaces"
    assert "not known" in told
    assert unready == {}


def tried(cluster: Cluster, namespace: str, *, kubeconfig: Path | None = None) -> str:
    """Return what kubectl says of a capture that would be created."""
    document = capture("tried", filters=WEB)
    flags = ("--dry-run=server", f"--namespace={namespace}", "-f-")
    text = json.dumps(document)
    return cluster.kubectl("create", *flags, input=text, kubeconfig=kubeconfig).stderr


def tried_until(
    cluster: Cluster, namespace: str, holds: Callable[[str], bool], *, seconds: float = 60
) -> str:
    """Return what kubectl says as soon as that holds: the server hears of pods a moment later."""
    deadline = time.monotonic() + seconds
    while not holds(told := tried(cluster, namespace)):
        assert time.monotonic() < deadline, told
    return told


def run_of(document: Document, node: str) -> str:
    """Return which run of a node's agent has reported last."""
    entries = document.get("status", {}).get("files", [])
    return next((each.get("bootID", "") for each in entries if each["node"] == node), "")


def author(cluster: Cluster, namespace: str) -> Path:
    """Return the kubeconfig of a user who may create captures and see no pods."""
    user, within = f"user-{secrets.token_hex(4)}", f"--namespace={namespace}"
    resource = "packetcaptures.projectcalico.org"
    cluster.kubectl("create", "role", user, "--verb=create,get", f"--resource={resource}", within)
    cluster.kubectl("create", "rolebinding", user, f"--role={user}", f"--user={user}", within)
    question = ("auth", "can-i", "create", resource, f"--as={user}", within)
    # kube-apiserver hears of bindings as others do: some time later, and there is no event for it.
    while cluster.kubectl(*question, check=False).returncode:
        pass
    return cluster.kubeconfig_for(user)


def applied(cluster: Cluster, namespace: str, owner: str, filters, *flags: str, check=True):
    """Apply rules on the server in somebody's name."""
    return cluster.kubectl(
        "apply",
        "--server-side",
        f"--field-manager={owner}",
        f"--namespace={namespace}",
        "--output=json",
        "-f-",
        *flags,
        input=json.dumps(capture("all", filters=filters)),
        check=check,
    )


def remove_agent(cluster: Cluster, node: str) -> None:
    """Have no agent on a node, and leave those of the others alone."""
    within = f"--namespace={NAMESPACE}"
    cluster.kubectl("delete", AGENTS, "--cascade=orphan", within)
    selector = "--selector=app.kubernetes.io/name=packetcapture-agent"
    cluster.kubectl("delete", "pods", selector, f"--field-selector=spec.nodeName={node}", within)


def take_rights(cluster: Cluster, *resources: str) -> None:
    """Leave a server with an older ClusterRole, as one that was upgraded by its image alone."""
    role = cluster.get(CLUSTER_ROLE)
    role["rules"] = [each for each in role["rules"] if not set(resources) & set(each["resources"])]
    cluster.kubectl("replace", "-f-", input=json.dumps(role))
