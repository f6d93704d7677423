"""What a dry run shows of pods of an API, real processes and links, and of a workload file."""

import os
import signal
import socket
import sys
from asyncio import create_subprocess_exec, subprocess, timeout

import orjson
import pytest

from tests.fakes.cluster_api import serving
from tests.fakes.kubernetes_api import write_kubeconfig
from tests.support.agent import workload_endpoint
from tests.support.netns import open_pod
from tests.support.pods import PodAPI
from tests.support.standalone import ROOT


@pytest.fixture
async def api():
    cluster = PodAPI()
    await cluster.create_namespace("shop")
    async with serving(cluster):
        yield cluster


@pytest.fixture
def run(tmp_path):
    async def dry_run(*arguments):
        process = await create_subprocess_exec(
            *(sys.executable, "-m", "nodeagent", "--dry-run", "--node-name=n1"),
            f"--capture-dir={tmp_path / 'pcap'}",
            *arguments,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"POD_NAMESPACE": "packetcapture"},
        )
        try:
            async with timeout(30):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
                await process.wait()
        assert not (tmp_path / "pcap").exists()
        return process.returncode, out.decode(), err.decode()

    return dry_run


@pytest.fixture
def run_in_cluster(run, api, cgroups, tmp_path):
    async def dry_run(*arguments):
        kubeconfig = write_kubeconfig(tmp_path / "config", api.url)
        return await run(f"--kubeconfig={kubeconfig}", f"--cgroup-root={cgroups.root}", *arguments)

    return dry_run


def words(text):
    return [" ".join(line.split()) for line in text.splitlines()]


async def test_pods_are_shown_with_their_links_and_the_proof(
    run_in_cluster, api, cgroups, processes
):
    sandbox = processes.start_sandbox()
    link = processes.connect(sandbox)
    uid = await api.create_pod("web")
    cgroups.put(uid, sandbox)
    web = api.get("/api/v1/namespaces/shop/pods/web")
    web["status"] = {"podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]}
    await api.replace("/api/v1/namespaces/shop/pods/web/status", web)
    lost = await api.create_pod("lost")
    await api.create_pod("on-node", hostNetwork=True)

    code, out, err = await run_in_cluster()

    assert (code, err) == (0, "")
    header, first, second = words(out)
    assert header == "NAMESPACE POD INTERFACE SIDE INDEX ADDRESSES UID PROOF OR PROBLEM"
    assert first.startswith(f"shop lost - host - - {lost} problem: no cgroup of pod {lost}")
    where = f"shop web {link} host {socket.if_nametoindex(link)} 10.0.0.1,fd00::1 {uid}"
    assert second.startswith(f"{where} the link's other end is in the pod's network namespace (")


async def test_nothing_is_told_to_the_api(run_in_cluster, api):
    assert (await run_in_cluster())[:2] == (0, "No endpoints on node n1.\n")
    assert {method for method, _ in api.requests} == {"GET"}


async def test_within_pods_their_own_interfaces_are_shown(run_in_cluster, api, cgroups, processes):
    sandbox = processes.start_sandbox()
    processes.connect(sandbox, inside="net1")
    cgroups.put(await api.create_pod("web"), sandbox)

    _, out, _ = await run_in_cluster("--tap=pod", "--output=json")

    document = orjson.loads(out)
    (found,) = document["endpoints"]
    assert document["node"] == "n1"
    assert (found["interface"], found["side"]) == ("net1", "pod")
    assert f"of the pod's process {sandbox.pid}" in found["proof"]
    assert found["labels"]["app"] == "web"


async def test_an_api_that_cannot_be_had_is_an_error(run, cgroups, tmp_path):
    with socket.socket() as nowhere:
        nowhere.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nowhere.getsockname()[1]}"
        kubeconfig = write_kubeconfig(tmp_path / "config", url)
        code, out, err = await run(f"--kubeconfig={kubeconfig}", f"--cgroup-root={cgroups.root}")

    assert (code, out) == (1, "")
    assert orjson.loads(err)["message"] == "cannot run"


async def test_workloads_are_shown_with_what_is_wrong(run, tmp_path):
    path = tmp_path / "workloads.yaml"
    with open_pod() as pod:
        path.write_text(workload_endpoint(pod.interface) + workload_endpoint("cali0", pod="db"))
        code, out, err = await run(f"--workloads={path}", "-o", "json")
        index = pod.index()

    db, web = orjson.loads(out)["endpoints"]
    assert (code, err) == (0, "")
    assert (web["interface"], web["index"], web["problem"]) == (pod.interface, index, "")
    assert web["proof"] == "the workload file says so"
    assert (db["pod"], db["index"], db["proof"]) == ("db", None, "")
    assert db["problem"] == "interface cali0 does not exist on this node"


async def test_addresses_are_those_of_the_workload_file(run, tmp_path):
    path = tmp_path / "workloads.yaml"
    path.write_text(workload_endpoint("cali0") + "  ipNetworks: [10.0.0.1/32, 'fd00::1/128']\n")

    _, out, _ = await run(f"--workloads={path}")

    assert " 10.0.0.1/32,fd00::1/128 " in out


async def test_a_workload_file_that_cannot_be_used_is_an_error(run, tmp_path):
    code, out, err = await run(f"--workloads={tmp_path / 'none.yaml'}")

    assert (code, out) == (1, "")
    said = orjson.loads(err.splitlines()[-1])
    assert said["error"] == f"{tmp_path / 'none.yaml'}: No such file or directory"
