import asyncio

import pytest

from apiserver.agents.directory import AgentAddress
from apiserver.agents.pods import (
    NO_AGENT,
    NOT_READY,
    PodDirectory,
    agent_pod,
    following_agents,
)
from apiserver.upstream.client import open_client
from tests.fakes.kubernetes_api import (
    KubernetesAPI,
    Stream,
    a_list,
    an_event,
    serving,
    write_kubeconfig,
)


def a_pod(name, *, node="n1", address="10.0.0.1", ready=True, ending=False, created="2026-01-01"):
    metadata = {
        "name": name,
        "uid": f"uid-{name}",
        "creationTimestamp": f"{created}T00:00:00Z",
        "resourceVersion": "11",
    }
    if ending:
        metadata["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    status = {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}
    if address:
        status["podIP"] = address
    ports = [{"name": "health", "containerPort": 1}, {"name": "files", "containerPort": 10349}]
    return {
        "metadata": metadata,
        "spec": {"nodeName": node, "containers": [{}, {"ports": ports}]},
        "status": status,
    }


def a_directory(*pods):
    directory = PodDirectory()
    directory.replace(map(agent_pod, pods))
    return directory


def test_an_agent_is_found_by_its_node():
    directory = a_directory(a_pod("a"), a_pod("b", node="n2", address="fd00::2"))

    assert directory.nodes() == ("n1", "n2")
    assert directory.find("n2") == AgentAddress("fd00::2", 10349)
    assert directory.find("n3") is None


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"address": ""}, id="has no address yet"),
        pytest.param({"ending": True, "created": "2026-02-02"}, id="is ending"),
        pytest.param({"ready": False, "created": "2026-02-02"}, id="is not ready"),
        pytest.param({"created": "2025-12-31"}, id="is older"),
    ],
)
def test_of_two_agents_of_a_node_the_better_one_is_asked(other):
    worse = a_pod("worse", **{"address": "10.0.0.9", **other})

    for pods in ([worse, a_pod("a")], [a_pod("a"), worse]):
        assert a_directory(*pods).find("n1") == AgentAddress("10.0.0.1", 10349)


def test_a_pod_that_nobody_has_scheduled_is_no_agent():
    assert a_directory(a_pod("a", node="", address="")).nodes() == ()


def test_a_pod_without_a_port_for_files_cannot_be_asked():
    pod = a_pod("a")
    pod["spec"]["containers"] = [{"ports": [{"containerPort": 10349}]}]

    assert a_directory(pod).find("n1") is None


def test_the_node_of_a_pod_is_known_by_its_name_and_uid():
    directory = a_directory(a_pod("a"))

    assert directory.node_of_pod("a", "uid-a") == "n1"
    assert directory.node_of_pod("a", "uid-of-another") == ""
    assert directory.node_of_pod("b", "uid-a") == ""


@pytest.mark.parametrize(
    ("pod", "problem"),
    [
        pytest.param(a_pod("a"), "", id="ready"),
        pytest.param(a_pod("a", ready=False), NOT_READY, id="not ready"),
        pytest.param(a_pod("a", node="n2"), NO_AGENT, id="on another node"),
    ],
)
def test_it_is_known_whether_the_agent_of_a_node_can_capture(pod, problem):
    assert a_directory(pod).problem_on("n1") == problem


def test_nothing_is_known_of_agents_before_they_were_listed():
    assert PodDirectory().problem_on("n1") is None


async def test_nodes_are_told_of_when_their_agents_change():
    directory = a_directory(a_pod("a"), a_pod("b", node="n2"))
    assert await directory.next_change() == {"n1", "n2"}

    directory.put(agent_pod(a_pod("a", address="10.0.0.2")))
    directory.put(agent_pod(a_pod("b", node="n2", ready=False)))
    directory.put(agent_pod(a_pod("c", node="n3")))

    assert await directory.next_change() == {"n2", "n3"}


async def test_the_first_list_is_a_change_even_if_there_is_no_agent():
    assert await a_directory().next_change() == frozenset()


async def test_agents_are_followed_as_they_come_and_go(tmp_path):
    api = KubernetesAPI()
    api.lists.append(a_list([a_pod("a")]))
    came = an_event("ADDED", a_pod("b", node="n2"))
    went = an_event("DELETED", a_pod("a"))
    api.watches.append(Stream((came, went)))

    async with (
        serving(api),
        open_client(write_kubeconfig(tmp_path / "config", api.url)) as client,
        following_agents(client, namespace="ours") as directory,
        asyncio.timeout(5),
    ):
        while directory.nodes() != ("n2",):  # noqa: ASYNC110 - a directory is asked, it tells nobody
            await asyncio.sleep(0)

    assert api.asked[0].path == "/api/v1/namespaces/ours/pods"
    assert api.asked[0].query["labelSelector"] == "app.kubernetes.io/name=packetcapture-agent"
