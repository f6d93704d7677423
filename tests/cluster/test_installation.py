"""The product comes with one `kubectl apply -k`, takes nothing from anybody, and goes without a trace."""

import json
from base64 import b64decode

import pytest

from tests.cluster import captures
from tests.cluster.callers import trusted_authority
from tests.cluster.install import MANIFESTS, NAMESPACE, add_volume, install, uninstall
from tests.cluster.operating import (
    APISERVICE,
    complaints,
    get_apiservice,
    holder,
    is_available,
    readiness,
    restarts,
    server_log,
    start_server,
    stop_server,
    until_apiservice,
    until_logged,
    write_overlay,
)
from tests.cluster.workloads import pod
from tests.support.client import collection

OURS = (NAMESPACE, "packetcapture-apiserver")
PCAP_HEADER_BYTES = 24
STATIC = MANIFESTS / "components/static-apiservice"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

FOREIGN = {
    "apiVersion": "apiregistration.k8s.io/v1",
    "kind": "APIService",
    "metadata": {"name": "v3.projectcalico.org"},
    "spec": {
        "group": "projectcalico.org",
        "version": "v3",
        "groupPriorityMinimum": 1500,
        "versionPriority": 200,
        "insecureSkipTLSVerify": True,
        "service": {"namespace": "calico-api", "name": "calico-apiserver", "port": 443},
    },
}

CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "packetcaptures.projectcalico.org"},
    "spec": {
        "group": "projectcalico.org",
        "scope": "Namespaced",
        "names": {
            "kind": "PacketCapture",
            "plural": "packetcaptures",
            "singular": "packetcapture",
        },
        "versions": [
            {
                "name": "v3",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                    }
                },
            }
        ],
    },
}

pytestmark = pytest.mark.timeout(240)


def test_the_server_makes_its_apiservice_with_its_own_ca_and_a_clusterrole_as_owner(installed):
    made = get_apiservice(installed)
    role = installed.get("clusterrole", "packetcapture-apiserver")

    assert is_available(made)
    assert b64decode(made["spec"]["caBundle"]) == trusted_authority(installed)
    assert [each["uid"] for each in made["metadata"]["ownerReferences"]] == [
        role["metadata"]["uid"]
    ]
    assert restarts(installed) == 0


def test_a_server_that_starts_where_all_is_well_has_nothing_to_complain_of(installed):
    stop_server(installed)
    start_server(installed)
    until_logged(installed, passes)

    assert complaints(server_log(installed)) == []


def passes(line):
    return line["message"] == "probe passes"


def test_applying_again_changes_nothing(installed):
    before = specified(installed), get_apiservice(installed)

    installed.kubectl("apply", "-k", str(MANIFESTS))

    assert (specified(installed), get_apiservice(installed)) == before
    assert installed.kubectl("diff", "-k", str(MANIFESTS)).stdout == ""


def specified(cluster):
    """Return everything that the manifests hold, as it is in the cluster, without its status."""
    items = cluster.get("-k", str(MANIFESTS))["items"]
    for each in items:
        each.pop("status", None)
        del each["metadata"]["resourceVersion"]
    return items


def test_uninstalling_ends_and_leaves_nothing_that_hangs(busy):
    hold(busy, "leaving")
    busy.kubectl("delete", "namespace", "leaving", "--wait=false")

    uninstall(busy)

    assert busy.kubectl("get", "-k", str(MANIFESTS), "--ignore-not-found").stdout == ""
    assert busy.kubectl("get", APISERVICE, "--ignore-not-found").stdout == ""
    # One was on its way out, one has a capture, and one has never had to do with any.
    busy.wait("delete", "namespace/leaving", seconds=30)
    busy.kubectl("delete", "namespace", "staying", seconds=30)
    busy.kubectl("create", "namespace", "another")
    busy.kubectl("delete", "namespace", "another", seconds=30)


def test_files_outlive_the_installation_and_the_next_one_neither_removes_nor_serves_them(
    busy, tmp_path
):
    uninstall(busy)
    kept = files_on_nodes(busy, "staying")
    assert kept
    add_volume(busy)
    install(busy)
    captures.create(busy, "staying")
    captures.until(busy, "staying", has_packets)

    (served,) = captures.download(busy, "staying", tmp_path)["busy"]

    assert kept <= files_on_nodes(busy, "staying")
    assert not [each for each in kept if each[PCAP_HEADER_BYTES:] in served.read_bytes()]


@pytest.fixture
def busy(installed):
    """The product with captures of two namespaces under way; it is there again afterwards."""
    for name in ("leaving", "staying"):
        installed.make_namespace(name)
        installed.apply(pod("busy", command=["ping", installed.network.machine]), namespace=name)
        installed.wait("condition=Ready", "pod/busy", namespace=name)
        captures.create(installed, name)
        captures.until(installed, name, has_packets)
    yield installed
    flags = ("--ignore-not-found", "--wait=false")
    installed.kubectl("delete", "namespace", "leaving", "staying", *flags)
    if not installed.kubectl("get", APISERVICE, "--ignore-not-found").stdout:
        add_volume(installed)


def has_packets(endpoints):
    return any(each.packets for each in endpoints)


def hold(cluster, namespace):
    """Keep a capture from being deleted."""
    patch = {"metadata": {"finalizers": ["example.com/held"]}}
    flags = ("--type=merge", f"--patch={json.dumps(patch)}", f"--namespace={namespace}")
    cluster.kubectl("patch", "packetcaptures.p", "all", *flags)


def files_on_nodes(cluster, namespace) -> set[bytes]:
    """Return what the files of a namespace's captures hold, wherever they are."""
    directories = [node.root / captures.FILES / namespace for node in cluster.nodes]
    return {each.read_bytes() for directory in directories for each in directory.rglob("*.pcap")}


def is_ours(apiservice):
    """Tell whether kube-apiserver has found our server behind it, and not just it itself before."""
    return holder(apiservice) == OURS and is_available(apiservice)


@pytest.fixture
def unregistered(installed):
    """The product with its server stopped and without the APIService."""
    stop_server(installed)
    installed.kubectl("delete", APISERVICE)
    yield installed
    # What a test has put in its place goes, so that the server makes its own again.
    if holder(get_apiservice(installed)) != OURS or is_static(get_apiservice(installed)):
        installed.kubectl("delete", APISERVICE)


def is_static(apiservice):
    return "ownerReferences" not in apiservice["metadata"]


def test_an_apiservice_of_somebody_else_is_named_and_let_be_and_ours_comes_when_it_goes(
    unregistered,
):
    unregistered.kubectl("create", "-f-", input=json.dumps(FOREIGN))

    start_server(unregistered)
    until_logged(unregistered, lambda line: names(line, "calico-apiserver"))

    reason = readiness(unregistered)["apiservice"]
    assert "the Service calico-apiserver in namespace calico-api" in reason
    assert "--take-over" in reason
    assert get_apiservice(unregistered)["spec"] == FOREIGN["spec"]
    assert restarts(unregistered) == 0
    unregistered.kubectl("delete", APISERVICE)
    until_apiservice(unregistered, is_ours)


def names(line, who):
    return line["level"] == "warning" and who in line.get("problem", "")


def test_an_apiservice_of_crds_is_named_and_let_be_until_taking_over_is_asked_for(
    unregistered, tmp_path
):
    unregistered.kubectl("create", "-f-", input=json.dumps(CRD))
    unregistered.wait("condition=Established", f"crd/{CRD['metadata']['name']}")
    until_apiservice(unregistered, lambda it: is_available(it, reason="Local"))

    start_server(unregistered)
    until_logged(unregistered, lambda line: names(line, "CustomResourceDefinitions"))

    assert "--take-over" in readiness(unregistered)["apiservice"]
    assert holder(get_apiservice(unregistered)) == ("", "")
    assert restarts(unregistered) == 0

    install(unregistered, manifests=write_overlay(tmp_path / "overlay", flags=["--take-over"]))
    until_apiservice(unregistered, is_ours)
    unregistered.kubectl("delete", "-f-", input=json.dumps(CRD))
    assert json.loads(unregistered.kubectl("get", "--raw", collection()).stdout)["kind"] == (
        "PacketCaptureList"
    )


def test_of_a_static_apiservice_the_server_keeps_the_bundle_right_and_nothing_else(
    unregistered, tmp_path
):
    overlay = write_overlay(tmp_path / "overlay", components=[STATIC])

    install(unregistered, manifests=overlay)

    static = until_apiservice(unregistered, lambda it: has_bundle(it, unregistered))
    assert is_static(static)
    wrong = {"spec": {"caBundle": "d3Jvbmc="}}
    unregistered.kubectl("patch", APISERVICE, "--type=merge", f"--patch={json.dumps(wrong)}")
    until_apiservice(unregistered, lambda it: has_bundle(it, unregistered))
    applied = unregistered.kubectl("apply", "-k", str(overlay)).stdout
    assert "apiservice.apiregistration.k8s.io/v3.projectcalico.org unchanged" in applied


def has_bundle(apiservice, cluster):
    return b64decode(apiservice["spec"].get("caBundle", "")) == trusted_authority(cluster)
