"""The main job where users have it: a few kubectl commands, and the packets of the right pods."""

import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.cluster import captures
from tests.cluster.cluster import Cluster
from tests.cluster.traffic import link_of, watched_by_tcpdump
from tests.cluster.workloads import Document, deployment, pod, service
from tests.support.directories import until_removed
from tests.support.tcpdump import read_text

SELECTED = 'app == "web"'
REQUESTS = 40
SERVE = "mkdir /www && hostname > /www/index.html && exec httpd -f -h /www"
# A node learns of a Service's second pod some time after the first.
ASK_UNTIL_BOTH_ANSWER = (
    "for each in $*; do"
    " until [ $(sort -u said | wc -l) = 2 ]; do wget -q -O- http://$each/ >> said; done; rm said;"
    "done"
)
ASK = (
    "for each in $*; do"
    f" (for i in $(seq {REQUESTS}); do wget -q -O- http://$each/; done) & "
    "done; wait"
)


@pytest.fixture
def neighbour(product: Cluster, namespace: str) -> Iterator[str]:
    """Another namespace."""
    name = f"{namespace}-neighbour"
    product.make_namespace(name)
    yield name
    product.kubectl("delete", "namespace", name, "--wait=false")


def test_the_files_have_all_packets_of_the_selected_pods_and_of_no_others(
    product: Cluster, namespace: str, neighbour: str, tmp_path: Path
):
    asked = [
        serve(product, namespace, "web"),
        serve(product, namespace, "other"),
        serve(product, neighbour, "web"),
    ]
    clients = [f"client-{node.name}" for node in product.nodes]
    product.apply(
        *(pod(f"client-{node.name}", node=node.name) for node in product.nodes),
        namespace=namespace,
    )
    until_served(product, namespace, *clients, addresses=asked)
    addresses = pod_addresses(product, namespace, "web")

    with product.following("get", "packetcaptures.p", "--all-namespaces", "--watch") as rows:
        captures.create(product, namespace, name="http", selector=SELECTED)
        captures.until_running(product, namespace, *addresses, name="http")
        with watched_links(product, namespace, addresses, tmp_path) as seen:
            for client in clients:
                answers = run(product, namespace, client, ASK, *asked)
                assert len(answers.split()) == len(asked) * REQUESTS
            until_row(rows, namespace, "http", "Capturing")
            ended = captures.finish(product, namespace, name="http")

    files = captures.download(product, namespace, tmp_path, name="http")
    assert {each.node for each in ended} == {"node-a", "node-b"}
    assert files.keys() == addresses.keys()
    for each, address in addresses.items():
        (file,) = files[each]
        assert http_packets(file) == http_packets(seen[each])
        assert read_text(file, f"tcp dst port 80 and dst host {address}")
        # Of IP alone: what is sent to everybody on a bridge, as ARP, does reach each pod there.
        assert read_text(file, f"ip and not host {address}") == ""
    packets = {each: len(read_text(file).splitlines()) for each, (file,) in files.items()}
    assert {each.pod: each.packets for each in ended} == packets


def test_a_deleted_namespace_takes_captures_and_files_along(product: Cluster):
    namespace = "short-lived"
    product.make_namespace(namespace)
    directories = [node.captures / namespace / "all" for node in product.nodes]
    product.apply(*(pod(node.name, node=node.name) for node in product.nodes), namespace=namespace)
    captures.create(product, namespace)
    captures.until_running(product, namespace, "node-a", "node-b")
    assert all(any(each.iterdir()) for each in directories)

    product.kubectl("delete", "namespace", namespace, "--timeout=60s", seconds=90)

    assert product.get("packetcaptures.p", f"--namespace={namespace}")["items"] == []
    for directory in directories:
        until_removed(directory)


def test_a_capture_that_a_deployment_owns_goes_with_it(product: Cluster, namespace: str):
    product.apply(deployment("web", replicas=1), namespace=namespace)
    captures.create(
        product, namespace, selector=SELECTED, owner=as_owner(product, namespace, "web")
    )
    (found,) = captures.until(product, namespace, bool)
    node = product.node(found.node)

    product.kubectl("delete", "deployment", "web", f"--namespace={namespace}")

    # The garbage collector looks for new kinds of resources every 30 s.
    product.wait("delete", "packetcaptures.p/all", namespace=namespace, seconds=90)
    until_removed(node.captures / namespace / "all")


def test_kubectl_waits_for_describes_and_explains_captures(product: Cluster, namespace: str):
    # TCP: pods speak of themselves by IPv6.
    captures.create(product, namespace, selector=SELECTED, filters=[{"protocol": "TCP"}])
    product.apply(pod("web"), namespace=namespace)

    condition = "jsonpath={.status.files[0].state}=WaitingForTraffic"
    product.wait(condition, "packetcaptures.p/all", namespace=namespace)
    told = product.kubectl("describe", "packetcaptures.p", "all", f"--namespace={namespace}")
    explained = product.kubectl("explain", "packetcapture.spec.selector")

    assert "WaitingForTraffic" in told.stdout
    assert "web" in told.stdout
    assert "FIELD: selector <string>" in explained.stdout


def serve(cluster: Cluster, namespace: str, name: str) -> str:
    """Start a web server on both nodes, and return the address of its Service."""
    web = deployment(name, replicas=2, command=["sh", "-c", SERVE])
    cluster.apply(web, service(name), namespace=namespace)
    cluster.wait("condition=Available", f"deployment/{name}", namespace=namespace)
    address: str = cluster.get("service", name, f"--namespace={namespace}")["spec"]["clusterIP"]
    return address


def until_served(cluster: Cluster, namespace: str, *clients: str, addresses: list[str]) -> None:
    """Return when clients have answers of both pods of each Service."""
    cluster.wait("condition=Ready", *(f"pod/{each}" for each in clients), namespace=namespace)
    for client in clients:
        run(cluster, namespace, client, ASK_UNTIL_BOTH_ANSWER, *addresses)


def run(cluster: Cluster, namespace: str, name: str, script: str, *arguments: str) -> str:
    """Run a script in a pod; return what it says."""
    command = ("--", "sh", "-c", script, "sh", *arguments)
    return cluster.kubectl("exec", f"--namespace={namespace}", name, *command).stdout


def pod_addresses(cluster: Cluster, namespace: str, app: str) -> dict[str, str]:
    """Return the addresses of pods by their names."""
    found = cluster.get("pods", f"--namespace={namespace}", f"--selector=app={app}")["items"]
    return {each["metadata"]["name"]: each["status"]["podIP"] for each in found}


@contextmanager
def watched_links(
    cluster: Cluster, namespace: str, pods: Iterable[str], directory: Path
) -> Iterator[dict[str, Path]]:
    """Let tcpdump watch the pods' links, too; give its files by the names of the pods."""
    files = {each: directory / f"seen-{each}.pcap" for each in pods}
    with ExitStack() as stack:
        for each, file in files.items():
            stack.enter_context(watched_by_tcpdump(*link_of(cluster, namespace, each), file))
        yield files


def until_row(rows: Iterator[str], *words: str) -> None:
    """Return when kubectl has printed a row with all these words."""
    assert any({*words} <= {*row.split()} for row in rows)


def http_packets(file: Path) -> list[str]:
    """Return the packets of a file that are from or to a web server, every byte of them, sorted."""
    # Two that pass at the same moment on two processors have no order.
    return sorted(re.split(r"\n(?=IP )", read_text(file, "-xx", "tcp port 80").strip()))


def as_owner(cluster: Cluster, namespace: str, name: str) -> Document:
    """Return the entry of ownerReferences that names a Deployment."""
    found = cluster.get("deployment", name, f"--namespace={namespace}")
    names = {key: found[key] for key in ("apiVersion", "kind")}
    return {**names, "name": name, "uid": found["metadata"]["uid"]}
