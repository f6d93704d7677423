"""Pods of an API, real processes and links, and a made tree of cgroups."""

import asyncio
import os
import socket
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop

from apiserver.upstream.client import open_client
from nodeagent.discovery.calico import calico_interface
from nodeagent.discovery.endpoints import HostTap, PodTap
from nodeagent.discovery.links import following_links
from nodeagent.discovery.pods import Rhythm, TapSide, following_pods
from nodeagent.discovery.sandbox import Sandbox, WatchedSandbox
from tests.fakes.cluster_api import serving
from tests.fakes.kubernetes_api import write_kubeconfig
from tests.support.netns import ip
from tests.support.pods import PodAPI

DISPUTED = "another pod names the same cgroup as its own"
INTRUDER = "its oldest process is in the network namespace of another pod"


@pytest.fixture
async def api():
    cluster = PodAPI()
    await cluster.create_namespace("shop", team="red")
    async with serving(cluster):
        yield cluster


@pytest.fixture
def following(api, cgroups, tmp_path):
    @asynccontextmanager
    async def follow(tap=TapSide.HOST, **around):
        async with (
            open_client(write_kubeconfig(tmp_path / "config", api.url)) as client,
            following_pods(
                client,
                node="n1",
                cgroup_root=cgroups.root,
                tap=tap,
                rhythm=Rhythm(**around),
            ) as pods,
        ):
            yield pods

    return follow


async def until(pods, condition):
    async with asyncio.timeout(10):
        if condition(pods.current):
            return pods.current
        async for current in pods:
            if condition(current):
                return current
    raise AssertionError


def taps(endpoints):
    return {(each.pod, each.interface): each.tap for each in endpoints}


def index_of(name):
    return socket.if_nametoindex(name)


def has(*interfaces):
    return lambda current: [each.interface for each in current] == list(interfaces)


def problem_of(pod, text):
    return lambda current: any(each.pod == pod and text in each.problem for each in current)


def label(key, value):
    return lambda current: [each.labels.get(key) for each in current] == [value]


def inode_of(process):
    return Path(f"/proc/{process.pid}/ns/net").stat().st_ino


async def test_a_pod_is_found_by_its_cgroup_process_and_link(api, following, processes, cgroups):
    uid = await api.create_pod("web")
    sandbox = processes.start_sandbox()
    link = processes.connect(sandbox)
    cgroups.put(uid, sandbox)

    async with following() as pods:
        (endpoint,) = await until(pods, has(link))

    assert endpoint.tap == HostTap(index_of(link))
    assert (endpoint.namespace, endpoint.pod, endpoint.pod_uid) == ("shop", "web", uid)
    assert endpoint.labels["pcns.team"] == "red"


async def test_a_pod_that_starts_while_it_is_followed_is_found_without_a_problem_before(
    api, following, processes, cgroups
):
    async with following() as pods:
        assert await anext(pods) == ()
        uid = await api.create_pod("web")
        cgroups.pod(uid).mkdir()
        sandbox = processes.start_sandbox()
        link = processes.connect(sandbox)
        seen = asyncio.Event()

        async with asyncio.TaskGroup() as tasks:

            async def note():
                async for current in pods:
                    assert not any(each.problem for each in current)
                    if current:
                        seen.set()
                        return

            tasks.create_task(note())
            cgroups.put(uid, sandbox)
            async with asyncio.timeout(10):
                await seen.wait()

    assert taps(pods.current) == {("web", link): HostTap(index_of(link))}


async def test_a_link_that_comes_after_the_process_is_found(api, following, processes, cgroups):
    uid = await api.create_pod("web")
    sandbox = processes.start_sandbox()
    cgroups.put(uid, sandbox)
    async with following() as pods:
        assert await anext(pods) == ()

        link = await asyncio.to_thread(processes.connect, sandbox)

        await until(pods, has(link))


async def test_each_pod_has_its_own_links(api, following, processes, cgroups):
    links = {}
    sandboxes = {name: processes.start_sandbox() for name in ("a", "b", "c")}
    for name, sandbox in sandboxes.items():
        links[name] = processes.connect(sandbox)
        cgroups.put(await api.create_pod(name), sandbox)
    second = processes.connect(sandboxes["c"], inside="net1")

    async with following() as pods:
        found = await until(pods, lambda current: len(current) == 4)

    assert {(each.pod, each.interface) for each in found} == {*links.items(), ("c", second)}


async def test_a_pod_that_dies_while_the_api_is_away_is_an_endpoint_no_longer(
    api, following, processes, cgroups
):
    uid = await api.create_pod("web")
    sandbox = processes.start_sandbox()
    link = processes.connect(sandbox)
    cgroups.put(uid, sandbox)
    async with following() as pods:
        await until(pods, has(link))
        await api.go_out()

        await asyncio.to_thread(sandbox.end)

        await until(pods, has())


async def test_a_link_stays_the_pods_after_the_process_until_it_goes(
    api, following, processes, cgroups
):
    """As while a pod ends: the runtime holds the namespace until the link is taken down."""
    uid = await api.create_pod("web")
    sandbox = processes.start_sandbox()
    other = processes.start_beside(sandbox)
    link = processes.connect(sandbox)
    cgroups.put(uid, sandbox)
    async with following() as pods:
        await until(pods, has(link))

        await asyncio.to_thread(sandbox.end)
        extra = await asyncio.to_thread(processes.connect, other, inside="net1")
        await asyncio.to_thread(ip, "link", "delete", link)

        await until(pods, has())
        assert extra not in {each.interface for each in pods.current}


async def test_a_pod_that_is_deleted_is_gone_at_once_whatever_is_left_of_it(
    api, following, processes, cgroups
):
    uid = await api.create_pod("web")
    sandbox = processes.start_sandbox()
    link = processes.connect(sandbox)
    cgroups.put(uid, sandbox)
    async with following() as pods:
        await until(pods, has(link))

        await api.delete_pod("web")

        await until(pods, has())


async def test_a_pod_made_anew_under_its_name_is_another_one(api, following, processes, cgroups):
    async with following() as pods:
        for _ in range(2):
            uid = await api.create_pod("web-0")
            sandbox = processes.start_sandbox()
            link = processes.connect(sandbox)
            cgroups.put(uid, sandbox)
            (endpoint,) = await until(pods, has(link))
            assert endpoint.pod_uid == uid

            await api.delete_pod("web-0")
            await asyncio.to_thread(sandbox.end)
            await until(pods, has())


async def test_a_pod_whose_sandbox_is_made_anew_is_followed(api, following, processes, cgroups):
    uid = await api.create_pod("web")
    async with following() as pods:
        for container in ("first", "second"):
            sandbox = processes.start_sandbox()
            link = processes.connect(sandbox)
            cgroups.put(uid, sandbox, container)
            await until(pods, has(link))

            await asyncio.to_thread(sandbox.end)
            await until(pods, has())


async def test_a_child_that_entered_another_pods_namespace_leads_nowhere(
    api, following, processes, cgroups
):
    victim = processes.start_sandbox()
    victims = processes.connect(victim)
    cgroups.put(await api.create_pod("victim"), victim)
    uid = await api.create_pod("privileged")
    sandbox = processes.start_sandbox()
    own = processes.connect(sandbox)
    for container in ("a-container", "sandbox", "z-container"):
        inside = sandbox if container == "sandbox" else processes.start_beside(victim)
        cgroups.put(uid, inside, container)

    async with following() as pods:
        found = await until(pods, lambda current: len(current) == 2)

    assert {(each.pod, each.interface) for each in found} == {
        ("victim", victims),
        ("privileged", own),
    }


async def test_a_pod_all_of_which_is_in_another_pods_namespace_is_not_captured(
    api, following, processes, cgroups
):
    victim = processes.start_sandbox()
    link = processes.connect(victim)
    cgroups.put(await api.create_pod("victim"), victim)
    async with following(grace_seconds=0) as pods:
        await until(pods, has(link))

        uid = await api.create_pod("intruder")
        cgroups.put(uid, processes.start_beside(victim))

        found = await until(pods, problem_of("intruder", "network namespace of another pod"))
        assert {each.pod for each in found if not each.problem} == {"victim"}


async def test_of_two_pods_in_one_namespace_that_come_together_none_is_captured(
    api, following, processes, cgroups
):
    sandbox = processes.start_sandbox()
    processes.connect(sandbox)
    for name in ("a", "b"):
        cgroups.put(await api.create_pod(name), sandbox)

    async with following(grace_seconds=0) as pods:
        found = await until(pods, lambda current: len(current) == 2)

    assert [each.problem for each in found] == [INTRUDER, INTRUDER]


async def create_mirror(api, name, config_hash):
    owner = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "n"}
    annotations = {"kubernetes.io/config.mirror": config_hash}
    metadata = {"name": name, "annotations": annotations, "ownerReferences": [owner]}
    document = {"metadata": metadata, "spec": {"nodeName": "n1"}}
    await api.create("/api/v1/namespaces/shop/pods", document)


async def test_while_two_pods_name_one_cgroup_neither_is_captured_whichever_came_first(
    api, following, processes, cgroups
):
    config_hash = "0123456789abcdef0123456789abcdef"
    sandbox = processes.start_sandbox()
    link = processes.connect(sandbox)
    cgroups.put(config_hash, sandbox)
    await create_mirror(api, "first", config_hash)

    async with following(grace_seconds=0) as pods:
        await until(pods, has(link))
        await create_mirror(api, "second", config_hash)
        disputed = await until(pods, lambda current: len(current) == 2)
        await api.delete_pod("first")
        found = await until(pods, has(link))

    assert [each.problem for each in disputed] == [DISPUTED, DISPUTED]
    assert [each.pod for each in found] == ["second"]


async def test_processes_in_the_nodes_own_network_are_passed_over(
    api, following, processes, cgroups
):
    """As a runtime's monitor in the pod's cgroup, or its first process before it moves."""
    uid = await api.create_pod("web")
    cgroups.put(uid, processes.start_on_node(), "monitor")
    async with following(grace_seconds=0) as pods:
        await until(pods, problem_of("web", "in the node's own network so far"))

        sandbox = processes.start_sandbox()
        link = await asyncio.to_thread(processes.connect, sandbox)
        cgroups.put(uid, sandbox)

        await until(pods, has(link))


async def test_a_link_moved_into_another_pods_namespace_is_that_pods(
    api, following, processes, cgroups
):
    sandboxes = {}
    for name in ("a", "b"):
        sandboxes[name] = processes.start_sandbox()
        cgroups.put(await api.create_pod(name), sandboxes[name])
    link = processes.connect(sandboxes["a"])
    async with following() as pods:
        await until(pods, lambda current: taps(current).keys() == {("a", link)})

        move = ("link", "set", "eth0", "netns", str(sandboxes["b"].pid))
        await asyncio.to_thread(processes.run_inside, sandboxes["a"], *move)
        up = ("link", "set", "eth0", "up")
        await asyncio.to_thread(processes.run_inside, sandboxes["b"], *up)

        await until(pods, lambda current: taps(current).keys() == {("b", link)})


async def test_a_link_that_is_renamed_is_the_same_one(api, following, processes, cgroups):
    sandbox = processes.start_sandbox()
    link = processes.connect(sandbox)
    cgroups.put(await api.create_pod("web"), sandbox)
    async with following() as pods:
        (before,) = await until(pods, has(link))

        await asyncio.to_thread(ip, "link", "set", link, "name", f"{link}n")

        (after,) = await until(pods, has(f"{link}n"))
        assert after.tap == before.tap
        await asyncio.to_thread(ip, "link", "delete", f"{link}n")


async def test_an_interface_name_that_another_pod_takes_over_is_that_pods(
    api, following, processes, cgroups
):
    first, second = processes.start_sandbox(), processes.start_sandbox()
    cgroups.put(await api.create_pod("first"), first)
    cgroups.put(await api.create_pod("second"), second)
    link = processes.connect(first)
    async with following() as pods:
        (before,) = await until(pods, has(link))
        assert before.pod == "first"

        await asyncio.to_thread(ip, "link", "delete", link)
        await asyncio.to_thread(processes.connect, second, link)

        found = await until(pods, lambda current: taps(current).keys() == {("second", link)})
        assert taps(found)["second", link] == HostTap(index_of(link)) != before.tap


async def test_a_number_of_a_namespace_that_is_used_again_leads_to_the_new_pod_alone(
    api, following, processes, cgroups
):
    """The kernel gives out the lowest free number."""
    numbers = set()
    async with following(grace_seconds=0) as pods, following_links() as links:
        for name in ("first", "second", "third"):
            sandbox = processes.start_sandbox()
            link = await asyncio.to_thread(processes.connect, sandbox)
            cgroups.put(await api.create_pod(name), sandbox)

            found = await until(pods, lambda current: (name, link) in taps(current))  # noqa: B023

            assert [each.pod for each in found if not each.problem] == [name]
            numbers.add(links.current[link].peer_namespace)
            await asyncio.to_thread(sandbox.end)
            await until(pods, lambda current: all(each.problem for each in current))
    assert len(numbers) == 1


async def test_a_pod_without_a_link_on_the_node_says_what_to_do(
    api, following, processes, cgroups
):
    cgroups.put(await api.create_pod("web"), processes.start_sandbox())

    async with following(grace_seconds=0) as pods:
        (endpoint,) = await until(pods, problem_of("web", "run the agent with --tap=pod"))

    assert endpoint.interface == ""


async def test_a_pod_without_a_cgroup_says_so_after_its_time(api, following, cgroups):
    uid = await api.create_pod("web")

    async with following(grace_seconds=0.1) as pods:
        assert await anext(pods) == ()
        await until(pods, problem_of("web", f"no cgroup of pod {uid} under {cgroups.root}"))


async def test_a_round_that_something_holds_up_is_known_to_go_on(api, following, cgroups):
    sandbox = cgroups.pod(await api.create_pod("web")) / "sandbox"
    sandbox.mkdir(parents=True)
    os.mkfifo(sandbox / "cgroup.procs")
    async with following() as pods:
        # It is opened once it is being read.
        writer = await asyncio.to_thread(os.open, sandbox / "cgroup.procs", os.O_WRONLY)
        first = pods.rounds.seconds
        await asyncio.sleep(0)
        second = pods.rounds.seconds
        os.close(writer)
        await until(pods, lambda current: not current)

    assert 0 < first < second


async def test_a_terminating_pod_without_a_process_is_no_problem(api, following):
    await api.create_pod("web")
    async with following(grace_seconds=0) as pods:
        await until(pods, problem_of("web", "no cgroup"))

        ending = {"metadata": {"deletionTimestamp": "2026-01-02T15:00:00Z"}}
        await api.patch("/api/v1/namespaces/shop/pods/web", ending)

        await until(pods, has())


async def test_pods_of_other_nodes_and_of_the_nodes_network_are_none(
    api, following, processes, cgroups
):
    for spec in ({"node": "n2"}, {"hostNetwork": True}):
        sandbox = processes.start_sandbox()
        processes.connect(sandbox)
        cgroups.put(
            await api.create_pod(f"pod{len(spec)}{next(iter(spec)).lower()}", **spec), sandbox
        )

    async with following(grace_seconds=0) as pods:
        assert await anext(pods) == ()


async def test_labels_are_followed_and_stay_while_the_api_is_away(
    api, following, processes, cgroups
):
    sandbox = processes.start_sandbox()
    processes.connect(sandbox)
    cgroups.put(await api.create_pod("web"), sandbox)
    async with following() as pods:
        await until(pods, label("app", "web"))

        await api.patch("/api/v1/namespaces/shop", {"metadata": {"labels": {"team": "blue"}}})
        await until(pods, label("pcns.team", "blue"))

        assert pods.is_in_sight
        await api.go_out()
        await api.patch("/api/v1/namespaces/shop/pods/web", {"metadata": {"labels": {"app": "x"}}})
        assert pods.current[0].labels["app"] == "web"

        api.come_back()
        await until(pods, label("app", "x"))


async def test_a_pod_waits_for_its_namespace(api, following, processes, cgroups):
    sandbox = processes.start_sandbox()
    processes.connect(sandbox)
    cgroups.put(await api.create_pod("web", namespace="new"), sandbox)
    async with following() as pods:
        assert await anext(pods) == ()

        await api.create_namespace("new", team="green")

        await until(pods, label("pcns.team", "green"))


async def test_labels_of_service_accounts_are_there_while_they_are_wanted(
    api, following, processes, cgroups
):
    accounts = "/api/v1/namespaces/shop/serviceaccounts"
    await api.create(accounts, {"metadata": {"name": "default", "labels": {"tier": "one"}}})
    sandbox = processes.start_sandbox()
    processes.connect(sandbox)
    cgroups.put(await api.create_pod("web"), sandbox)
    async with following() as pods:
        await until(pods, lambda current: current)
        assert not pods.has_account_labels
        assert ("GET", "/api/v1/serviceaccounts") not in api.requests

        pods.want_account_labels(True)
        await until(pods, label("pcsa.tier", "one"))
        assert pods.has_account_labels

        pods.want_account_labels(False)
        assert not pods.has_account_labels
        await until(pods, lambda current: "pcsa.tier" not in current[0].labels)


async def test_a_calico_name_that_is_another_pods_is_told_of(
    api, following, processes, cgroups, caplog
):
    sandbox = processes.start_sandbox()
    for name in (calico_interface("shop", "web"), calico_interface("shop", "other")):
        processes.connect(sandbox, name, inside=f"e{name[-5:]}")
    cgroups.put(await api.create_pod("web"), sandbox)

    async with following() as pods:
        await until(pods, lambda current: len(current) == 2)

    (told,) = [each for each in caplog.records if "as Calico would" in each.message]
    assert told.interface == calico_interface("shop", "other")


async def test_within_pods_each_interface_that_is_up_is_an_endpoint(
    api, following, processes, cgroups
):
    sandbox = processes.start_sandbox()
    processes.connect(sandbox)
    cgroups.put(await api.create_pod("web"), sandbox)
    async with following(TapSide.POD) as pods:
        (endpoint,) = await until(pods, has("eth0"))
        assert isinstance(endpoint.tap, PodTap)
        assert endpoint.tap.process.pid == sandbox.pid
        assert endpoint.tap.namespace_inode == inode_of(sandbox)

        await asyncio.to_thread(processes.connect, sandbox, inside="net1")
        await until(pods, has("eth0", "net1"))

        down = ("link", "set", "eth0", "down")
        await asyncio.to_thread(processes.run_inside, sandbox, *down)
        await until(pods, has("net1"))


async def test_a_macvlan_pod_is_found_within(api, following, processes, cgroups):
    sandbox, lower = processes.start_sandbox(), processes.start_sandbox()
    parent = processes.connect(lower)
    macvlan = ("name", "eth0", "netns", str(sandbox.pid), "type", "macvlan", "mode", "bridge")
    ip("link", "add", "link", parent, *macvlan)
    processes.run_inside(sandbox, "link", "set", "eth0", "up")
    cgroups.put(await api.create_pod("web"), sandbox)

    async with following(grace_seconds=0) as pods:
        await until(pods, problem_of("web", "no link on the node"))
    async with following(TapSide.POD) as pods:
        await until(pods, has("eth0"))


async def test_following_a_pod_within_does_not_outlive_its_process(
    api, following, processes, cgroups
):
    sandbox = processes.start_sandbox()
    link = processes.connect(sandbox)
    cgroups.put(await api.create_pod("web"), sandbox)
    async with following(TapSide.POD) as pods, following_links() as links:
        await until(pods, has("eth0"))

        await asyncio.to_thread(sandbox.end)

        await until(pods, has())
        async with asyncio.timeout(10):
            async for current in links:
                if link not in current:
                    return


@pytest.mark.parametrize("loop", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_the_loops_of_the_agent_tell_of_a_process_that_ends(loop, processes):
    sandbox = processes.start_sandbox()
    held = Sandbox(sandbox.identify(), sandbox.network(), os.pidfd_open(sandbox.pid))

    async def scenario():
        ended = asyncio.Event()
        watched = WatchedSandbox(held, ended=ended.set)
        said = [watched.has_ended]

        await asyncio.to_thread(sandbox.end)
        async with asyncio.timeout(10):
            await ended.wait()

        said.append(watched.has_ended)
        watched.close()
        assert said == [False, True]

    loop(scenario())


async def test_within_a_pod_another_process_of_its_namespace_carries_on(
    api, following, processes, cgroups
):
    """As runc's first processes, each of which starts the next one and ends."""
    first = processes.start_sandbox()
    processes.connect(first)
    uid = await api.create_pod("web")
    cgroups.put(uid, first)
    async with following(TapSide.POD) as pods:
        (before,) = await until(pods, has("eth0"))
        second = await asyncio.to_thread(processes.start_beside, first)
        cgroups.put(uid, second)
        seen = []

        async with asyncio.TaskGroup() as tasks:

            async def note():
                async for current in pods:
                    seen.append(current)
                    if taps(current)["web", "eth0"].process.pid == second.pid:
                        return

            noting = tasks.create_task(note())
            await asyncio.to_thread(first.end)
            async with asyncio.timeout(10):
                await noting

    assert () not in seen
    assert seen[-1][0].tap.namespace_inode == before.tap.namespace_inode
