"""The cluster itself: what its tests rely on, and that nothing of it stays behind."""

import json
import os
import select
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.cluster.binaries import find
from tests.cluster.cluster import Cluster
from tests.cluster.workloads import IMAGE, deployment, pod, service
from tests.support.standalone import ROOT

SERVE = "mkdir /www && hostname > /www/index.html && exec httpd -f -h /www"
SECONDS = 10
RTMGRP_LINK = 1


def test_pods_of_both_nodes_answer_through_a_service(cluster: Cluster, namespace: str):
    clients = ("on-node-a", "on-node-b")
    cluster.apply(
        deployment("web", replicas=2, command=["sh", "-c", SERVE]),
        service("web"),
        *(pod(f"on-{node.name}", node=node.name) for node in cluster.nodes),
        namespace=namespace,
    )
    cluster.wait("condition=Available", "deployment/web", namespace=namespace)
    cluster.wait("condition=Ready", *(f"pod/{each}" for each in clients), namespace=namespace)
    address = cluster.get("service", "web", f"--namespace={namespace}")["spec"]["clusterIP"]

    # A node learns of the second pod some time later, and then chooses anew for each request.
    ask = f"until [ $(sort -u said | wc -l) = 2 ]; do wget -q -O- http://{address}/ >> said; done; sort -u said"
    answers = {
        each: cluster.kubectl("exec", f"--namespace={namespace}", each, "--", "sh", "-c", ask)
        for each in clients
    }

    pods = cluster.get("pods", f"--namespace={namespace}", "--selector=app=web")["items"]
    names = {each["metadata"]["name"] for each in pods}
    assert {each["spec"]["nodeName"] for each in pods} == {"node-a", "node-b"}
    assert [set(answers[each].stdout.split()) for each in clients] == [names, names]


def test_a_pod_that_shares_its_nodes_processes_sees_only_that_node(
    cluster: Cluster, namespace: str
):
    cluster.apply(pod("watcher", node="node-b", hostPID=True), namespace=namespace)
    cluster.wait("condition=Ready", "pod/watcher", namespace=namespace)

    said = cluster.kubectl("exec", f"--namespace={namespace}", "watcher", "--", "ps", "-o", "args")

    programs = [Path(line.split()[0]).name for line in said.stdout.splitlines()]
    assert programs.count("kubelet") == 1
    assert "kube-apiserver" not in programs


def test_a_killed_cluster_leaves_no_process_no_link_and_no_mount(tmp_path: Path):
    run = ("-m", "tests.cluster", "run", "--without-product", f"--directory={tmp_path}")
    with (
        ExitStack() as opened,
        subprocess.Popen([sys.executable, *run], cwd=ROOT, stdout=subprocess.PIPE) as process,
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as link_news,
    ):
        assert process.stdout is not None
        assert b"ready\n" in process.stdout
        _run_a_pod(tmp_path / "kubeconfig")
        link = _link_of(tmp_path / "kubeconfig")
        assert link.exists()
        processes = [os.pidfd_open(pid) for pid in _descendants(process.pid)]
        for each in processes:
            opened.callback(os.close, each)
        link_news.bind((0, RTMGRP_LINK))
        link_news.settimeout(SECONDS)

        process.kill()

        for each in processes:
            assert select.select([each], [], [], SECONDS)[0], "a process goes on"
        while link.exists():
            link_news.recv(1 << 16)
        assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def test_who_tries_the_product_finds_it_capturing_and_leaves_nothing(tmp_path: Path):
    directory = tmp_path / "cluster"
    command = [sys.executable, "-m", "tests.cluster"]
    kubectl = (find("kubectl"), f"--kubeconfig={directory / 'kubeconfig'}")
    sample = ROOT / "manifests" / "samples" / "packetcapture.yaml"

    subprocess.run([*command, "up", f"--directory={directory}"], cwd=ROOT, check=True)
    pid = os.pidfd_open(int((directory / "pid").read_text()))
    try:
        subprocess.run([*kubectl, "create", f"--filename={sample}"], check=True)
        for condition in ("{.status.pods}=2", "{.status.files[0].state}=Capturing"):
            wait = ("wait", f"--for=jsonpath={condition}", "packetcaptures.p/http")
            subprocess.run([*kubectl, *wait], check=True)
    finally:
        subprocess.run([*command, "down", f"--directory={directory}"], cwd=ROOT, check=True)

    assert select.select([pid], [], [], SECONDS)[0], "the cluster goes on"
    os.close(pid)
    assert not directory.exists()


def _run_a_pod(kubeconfig: Path) -> None:
    kubectl = (find("kubectl"), f"--kubeconfig={kubeconfig}")
    subprocess.run([*kubectl, "run", "sleeper", f"--image={IMAGE}"], check=True)
    subprocess.run([*kubectl, "wait", "--for=condition=Ready", "pod/sleeper"], check=True)


def _link_of(kubeconfig: Path) -> Path:
    server = json.loads(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    return Path("/sys/class/net", f"pcluster{server.split('.')[1]}")


def _descendants(pid: int) -> list[int]:
    children = [
        int(child)
        for file in Path(f"/proc/{pid}/task").glob("*/children")
        for child in file.read_text().split()
    ]
    return children + [each for child in children for each in _descendants(child)]
