"""The product comes with one `kubectl apply -k`, and goes with one `kubectl delete -k`."""

import json
from base64 import b64decode

import pytest

from tests.cluster import captures
from tests.cluster.callers import trusted_authority
from tests.cluster.install import MANIFESTS, add_volume, install, uninstall
from tests.cluster.operating import (
    APISERVICE,
    complaints,
    get_apiservice,
    is_available,
    restarts,
    server_log,
    start_server,
    stop_server,
    until_logged,
)
from tests.cluster.workloads import pod

PCAP_HEADER_BYTES = 24

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
    until_logged(installed, is_ready)

    assert complaints(server_log(installed)) == []


def is_ready(line):
    return (line["message"], line.get("probe")) == ("probe passes", "readyz")


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


def test_uninstalling_leaves_nothing_but_the_files_which_the_next_installation_lets_be(
    busy, tmp_path
):
    hold(busy, "leaving")
    busy.kubectl("delete", "namespace", "leaving", "--wait=false")

    uninstall(busy)

    assert busy.kubectl("get", "-k", str(MANIFESTS), "--ignore-not-found").stdout == ""
    assert busy.kubectl("get", APISERVICE, "--ignore-not-found").stdout == ""
    require_deletable_namespaces(busy)
    kept = files_on_nodes(busy)
    assert kept

    add_volume(busy)
    install(busy)
    captures.create(busy, "staying")
    captures.until(busy, "staying", has_packets)
    (served,) = captures.download(busy, "staying", tmp_path)["busy"]
    assert kept <= files_on_nodes(busy)
    assert not [each for each in kept if each[PCAP_HEADER_BYTES:] in served.read_bytes()]


def require_deletable_namespaces(cluster):
    """Delete one that was on its way out already, and one that has never had to do with captures."""
    cluster.kubectl("create", "namespace", "another")
    cluster.kubectl("delete", "namespace", "another", seconds=30)
    cluster.wait("delete", "namespace/leaving", seconds=30)


@pytest.fixture
def busy(installed):
    """The product with captures of two namespaces under way."""
    for name in ("leaving", "staying"):
        installed.make_namespace(name)
        installed.apply(pod("busy", command=["ping", installed.network.machine]), namespace=name)
        captures.create(installed, name)
    for name in ("leaving", "staying"):
        captures.until(installed, name, has_packets)
    yield installed
    installed.kubectl("delete", "namespace", "leaving", "staying", "--ignore-not-found")


def has_packets(endpoints):
    return any(each.packets for each in endpoints)


def hold(cluster, namespace):
    """Keep a capture from being deleted."""
    patch = {"metadata": {"finalizers": ["example.com/held"]}}
    flags = ("--type=merge", f"--patch={json.dumps(patch)}", f"--namespace={namespace}")
    cluster.kubectl("patch", "packetcaptures.p", "all", *flags)


def files_on_nodes(cluster) -> set[bytes]:
    """Return what all capture files with packets hold, wherever they are."""
    directories = [node.captures for node in cluster.nodes]
    files = (each.read_bytes() for there in directories for each in there.rglob("*.pcap"))
    return {each for each in files if len(each) > PCAP_HEADER_BYTES}
