"""Captures follow the pods: they come, go, restart, move, and are not always what they seem."""

from pathlib import Path

from tests.cluster import captures
from tests.cluster.captures import Endpoint, running
from tests.cluster.cluster import Cluster
from tests.cluster.traffic import address_of, knock, knocks
from tests.cluster.workloads import IMAGE, Document, deployment, pod

REPLICAS = 10
# A container that ends as soon as somebody writes to its file.
UNTIL_TOLD = ("sh", "-c", "mkfifo end && cat end")
# A child of the container's that serves in the network of the pod whose program is called "tail".
SERVE_ELSEWHERE = (
    "until pid=$(pidof tail); do usleep 100000; done; nsenter -t $pid -n httpd -f -p 1003 & wait"
)


def test_a_pod_whose_container_restarts_is_captured_on(
    product: Cluster, namespace: str, tmp_path: Path
):
    product.apply(pod("worker", command=UNTIL_TOLD), namespace=namespace)
    address = address_of(product, namespace, "worker")
    captures.create(product, namespace)
    (before,) = captures.until_running(product, namespace, "worker")
    knock(address, 1001)

    # Its answer may be lost with the container.
    execute(product, namespace, "worker", "echo > end", check=False)
    product.until(path_of(namespace, "worker"), has_restarted)
    knock(address, 1002)

    (after,) = captures.finish(product, namespace)
    files = captures.download(product, namespace, tmp_path)
    assert (after.uid, after.interface) == (before.uid, before.interface)
    assert len(files["worker"]) == 1
    assert knocks(files["worker"]) == {(address, 1001), (address, 1002)}


def test_a_pod_that_its_deployment_makes_anew_is_captured_and_the_old_file_stays(
    product: Cluster, namespace: str, tmp_path: Path
):
    product.apply(deployment("web", replicas=1), namespace=namespace)
    captures.create(product, namespace)
    old = until_one_runs(product, namespace)
    old_address = address_of(product, namespace, old.pod)
    knock(old_address, 1001)

    product.kubectl("delete", "pod", old.pod, f"--namespace={namespace}")
    new = until_one_runs(product, namespace, after=old)
    new_address = address_of(product, namespace, new.pod)
    knock(new_address, 1002)

    ended = captures.finish(product, namespace)
    files = captures.download(product, namespace, tmp_path)
    assert stop_reasons(ended) == {old.pod: "Deleted", new.pod: "EndTime"}
    assert knocks(files[old.pod]) == {(old_address, 1001)}
    assert knocks(files[new.pod]) == {(new_address, 1002)}


def test_a_pod_that_moves_is_captured_on_the_other_node(
    product: Cluster, namespace: str, tmp_path: Path
):
    product.apply(deployment("web", replicas=1, **on("node-a")), namespace=namespace)
    captures.create(product, namespace)
    here = until_one_runs(product, namespace)

    product.apply(deployment("web", replicas=1, **on("node-b")), namespace=namespace)
    there = until_one_runs(product, namespace, after=here)
    address = address_of(product, namespace, there.pod)
    knock(address, 1001)

    captures.finish(product, namespace)
    files = captures.download(product, namespace, tmp_path)
    assert (here.node, there.node) == ("node-a", "node-b")
    assert [file.name.partition(".")[0] for file in files[there.pod]] == ["node-b"]
    assert knocks(files[there.pod]) == {(address, 1001)}
    assert knocks(files[here.pod]) == set()


def test_a_deployment_is_captured_whole_as_it_grows_and_shrinks(product: Cluster, namespace: str):
    product.apply(deployment("many", replicas=0), namespace=namespace)
    captures.create(product, namespace)
    scale = ("scale", "deployment/many", f"--namespace={namespace}")

    product.kubectl(*scale, f"--replicas={REPLICAS}")
    grown = captures.until(product, namespace, lambda it: len(running(it)) == REPLICAS)
    product.kubectl(*scale, "--replicas=0")
    shrunk = captures.until(product, namespace, lambda it: not running(it))

    assert {each.node for each in grown} == {"node-a", "node-b"}
    assert stop_reasons(shrunk) == {each.pod: "Deleted" for each in grown}
    assert listed_pods(product, namespace) == {each.pod for each in grown}


def test_labels_begin_and_end_captures(product: Cluster, namespace: str, tmp_path: Path):
    product.apply(pod("web"), namespace=namespace)
    address = address_of(product, namespace, "web")
    label = ("label", "pod", "web", f"--namespace={namespace}")

    captures.create(product, namespace, selector='debug == "yes"')
    knock(address, 1001)
    product.kubectl(*label, "debug=yes")
    captures.until_running(product, namespace, "web")
    knock(address, 1002)
    product.kubectl(*label, "debug-")
    (ended,) = captures.until(product, namespace, lambda it: not running(it) and bool(it))
    knock(address, 1003)
    product.kubectl(*label, "debug=yes")
    captures.until_running(product, namespace, "web")
    knock(address, 1004)

    captures.finish(product, namespace)
    files = captures.download(product, namespace, tmp_path)
    assert (ended.state, ended.stop_reason) == ("Finished", "Unselected")
    assert knocks(files["web"]) == {(address, 1002), (address, 1004)}


def test_labels_of_the_namespace_begin_and_end_captures(product: Cluster, namespace: str):
    product.apply(pod("web"), namespace=namespace)
    captures.create(product, namespace, selector='pcns.team == "red"')
    address_of(product, namespace, "web")

    product.kubectl("label", "namespace", namespace, "team=red")
    captures.until_running(product, namespace, "web")
    product.kubectl("label", "--overwrite", "namespace", namespace, "team=blue")
    (ended,) = captures.until(product, namespace, lambda it: not running(it) and bool(it))

    assert ended.stop_reason == "Unselected"


def test_a_pod_in_the_nodes_network_is_never_captured(product: Cluster, namespace: str):
    product.apply(
        pod("of-the-node", node="node-a", hostNetwork=True),
        pod("ordinary", node="node-a"),
        namespace=namespace,
    )
    address_of(product, namespace, "of-the-node")
    address_of(product, namespace, "ordinary")

    captures.create(product, namespace, selector="all()")
    found = captures.until(product, namespace, bool)

    assert [each.pod for each in found] == ["ordinary"]


def test_a_named_port_is_that_of_each_pod(product: Cluster, namespace: str, tmp_path: Path):
    product.apply(
        pod("high", **container_with_port("http", 8081)),
        pod("low", **container_with_port("http", 8080)),
        pod("none", **container_with_port("other", 8080)),
        namespace=namespace,
    )
    addresses = {name: address_of(product, namespace, name) for name in ("high", "low", "none")}
    captures.create(product, namespace, filters=[{"protocol": "TCP", "ports": ["http"]}])
    captures.until_running(product, namespace, "high", "low")

    for address in addresses.values():
        for port in (8080, 8081):
            knock(address, port)

    ended = captures.finish(product, namespace)
    files = captures.download(product, namespace, tmp_path)
    assert stop_reasons(ended) == {"high": "EndTime", "low": "EndTime", "none": "NoMatch"}
    assert {name: knocks(each) for name, each in files.items()} == {
        "high": {(addresses["high"], 8081)},
        "low": {(addresses["low"], 8080)},
    }


def test_a_pod_with_a_process_in_the_network_of_another_is_not_taken_for_it(
    product: Cluster, namespace: str, tmp_path: Path
):
    product.apply(
        pod("victim", node="node-a", command=["tail", "-f", "/dev/null"]), namespace=namespace
    )
    victim = address_of(product, namespace, "victim")
    product.apply(intruder(victim), namespace=namespace)
    stranger = address_of(product, namespace, "intruder")
    # One that was there before has seen the pod without the child.
    restart_agent(product, "node-a")

    captures.create(product, namespace)
    captures.until_running(product, namespace, "victim", "intruder")
    knock(victim, 1001)
    knock(stranger, 1002)
    execute(product, namespace, "intruder", f"wget -q -O- http://{victim}:1003/", check=False)

    captures.finish(product, namespace)
    files = captures.download(product, namespace, tmp_path)
    assert knocks(files["victim"]) == {(victim, 1001), (victim, 1003)}
    assert knocks(files["intruder"]) == {(stranger, 1002), (victim, 1003)}


def intruder(victim: str) -> Document:
    """Return a pod that is ready when its child serves at the other pod's address."""
    container = {
        "name": "main",
        "image": IMAGE,
        "command": ["sh", "-c", SERVE_ELSEWHERE],
        "securityContext": {"privileged": True},
        "readinessProbe": {"tcpSocket": {"host": victim, "port": 1003}, "periodSeconds": 1},
    }
    return pod("intruder", node="node-a", hostPID=True, containers=[container])


def container_with_port(name: str, number: int) -> Document:
    """Return the part of a pod's spec that names a port."""
    ports = [{"name": name, "containerPort": number}]
    return {"containers": [{"name": "main", "image": IMAGE, "ports": ports}]}


def on(node: str) -> Document:
    """Return the part of a pod's spec that says where it runs."""
    return {"nodeSelector": {"kubernetes.io/hostname": node}}


def restart_agent(cluster: Cluster, node: str) -> None:
    """Have another agent on a node."""
    agents = ("--namespace=packetcapture", "--selector=app.kubernetes.io/name=packetcapture-agent")
    cluster.kubectl("delete", "pod", *agents, f"--field-selector=spec.nodeName={node}")
    cluster.kubectl(
        "rollout", "status", "daemonset/packetcapture-agent", "--namespace=packetcapture"
    )


def until_one_runs(cluster: Cluster, namespace: str, *, after: Endpoint | None = None) -> Endpoint:
    """Return the one endpoint that is being captured, as soon as it is another one."""
    known = after and after.uid

    def has_one(found: list[Endpoint]) -> bool:
        return [each.uid != known for each in running(found)] == [True]

    (one,) = running(captures.until(cluster, namespace, has_one))
    return one


def stop_reasons(found: list[Endpoint]) -> dict[str, str]:
    """Return why each pod is captured no more."""
    return {each.pod: each.stop_reason for each in found}


def listed_pods(cluster: Cluster, namespace: str) -> set[str]:
    """Return the pods of which there are files."""
    return {item["pod"] for item in captures.list_files(cluster, namespace)}


def execute(
    cluster: Cluster, namespace: str, name: str, script: str, *, check: bool = True
) -> None:
    """Run a script in a pod."""
    command = ("exec", name, f"--namespace={namespace}", "--", "sh", "-c", script)
    cluster.kubectl(*command, check=check)


def path_of(namespace: str, name: str) -> str:
    """Return the path of the collection that has this one pod."""
    return f"/api/v1/namespaces/{namespace}/pods?fieldSelector=metadata.name%3D{name}"


def has_restarted(found: Document) -> bool:
    """Tell whether a pod's container runs for the second time."""
    (container,) = found["status"]["containerStatuses"]
    return container["restartCount"] == 1 and "running" in container["state"]
