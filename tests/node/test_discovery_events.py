"""What tells discovery of a pod: events, and no look now and then, which here never comes."""

import asyncio
import ctypes
import os
import signal
import socket
from contextlib import asynccontextmanager, contextmanager

import pytest

from apiserver.upstream.client import open_client
from nodeagent.discovery.endpoints import HostTap
from nodeagent.discovery.pods import Rhythm, following_pods
from tests.fakes.cluster_api import serving
from tests.fakes.kubernetes_api import write_kubeconfig
from tests.support.crowd import Wish, open_crowd
from tests.support.kernelcgroups import open_kernel_cgroups
from tests.support.netns import ip
from tests.support.pods import PodAPI

_CLONE3, _CLONE_INTO_CGROUP = 435, 0x2_0000_0000


@pytest.fixture
async def api():
    cluster = PodAPI()
    await cluster.create_namespace("shop")
    async with serving(cluster):
        yield cluster


@pytest.fixture
def following(api, cgroups, tmp_path):
    @asynccontextmanager
    async def follow(cgroup_root=cgroups.root, **around):
        config = write_kubeconfig(tmp_path / "config", api.url)
        never = Rhythm(jitter=lambda _low, _high: 1e9, **around)
        async with (
            open_client(config) as client,
            following_pods(client, node="n1", cgroup_root=cgroup_root, rhythm=never) as pods,
        ):
            assert await anext(pods) == ()
            yield pods

    return follow


async def until(pods, *expected):
    """Wait until the endpoints are of these pods and interfaces; give each a second."""
    async with asyncio.timeout(1):
        while [(each.pod, each.interface) for each in pods.current] != list(expected):
            await anext(pods)
    return pods.current


async def test_a_pod_that_has_its_link_before_its_process(api, following, processes, cgroups):
    async with following() as pods:
        uid = await api.create_pod("web")
        sandbox = processes.start_sandbox()
        link = await asyncio.to_thread(processes.connect, sandbox)

        cgroups.put(uid, sandbox)

        await until(pods, ("web", link))


async def test_a_pod_that_has_its_process_before_its_link(api, following, processes, cgroups):
    async with following() as pods:
        sandbox = processes.start_sandbox()
        cgroups.put(await api.create_pod("web"), sandbox)

        link = await asyncio.to_thread(processes.connect, sandbox)

        await until(pods, ("web", link))


async def test_a_pod_that_the_api_tells_of_last(api, following, processes, cgroups):
    uid = await api.create_pod("web", node="")
    async with following() as pods:
        sandbox = processes.start_sandbox()
        link = await asyncio.to_thread(processes.connect, sandbox)
        cgroups.put(uid, sandbox)

        await api.patch("/api/v1/namespaces/shop/pods/web", {"spec": {"nodeName": "n1"}})

        await until(pods, ("web", link))


async def test_a_pair_made_on_the_node_one_end_of_which_goes_into_the_pod(
    api, following, processes, cgroups
):
    """As some CNI plugins do. Its move is told of once there is a carrier, and not before."""
    async with following() as pods:
        for name, is_up in (("early", True), ("late", False)):
            sandbox = processes.start_sandbox()
            cgroups.put(await api.create_pod(name), sandbox)
            link, peer = f"{name}{os.getpid()}", f"{name}{os.getpid()}p"
            ip("link", "add", link, "type", "veth", "peer", "name", peer)
            if is_up:
                ip("link", "set", link, "up")

            ip("link", "set", peer, "netns", str(sandbox.pid))
            ip("link", "set", link, "up")
            processes.run_inside(sandbox, "link", "set", peer, "up")

            await until(pods, (name, link))
            ip("link", "delete", link)
            await until(pods)


async def test_a_link_that_goes_down_and_up_or_under_a_bridge_stays_the_pods(
    api, following, processes, cgroups
):
    sandbox = processes.start_sandbox()
    async with following() as pods:
        cgroups.put(await api.create_pod("web"), sandbox)
        link = await asyncio.to_thread(processes.connect, sandbox)
        (before,) = await until(pods, ("web", link))
        bridge = f"{link[:10]}br"

        for change in (
            ("link", "set", link, "down"),
            ("link", "set", link, "up"),
            ("link", "add", bridge, "type", "bridge"),
            ("link", "set", link, "master", bridge),
            ("link", "set", link, "nomaster"),
            ("link", "delete", bridge),
            ("link", "set", link, "name", f"{link}n"),
        ):
            ip(*change)

        assert await until(pods, ("web", f"{link}n"))
        assert pods.current[0].tap == before.tap
        ip("link", "delete", f"{link}n")
        await until(pods)


@pytest.mark.parametrize(
    "addresses", [("10.9.8.1/24",), ("fd09::1/64",), ("10.9.8.1/24", "fd09::1/64")]
)
async def test_whatever_addresses_a_pod_has(api, following, processes, cgroups, addresses):
    sandbox = processes.start_sandbox()
    async with following() as pods:
        cgroups.put(await api.create_pod("web"), sandbox)
        link = await asyncio.to_thread(processes.connect, sandbox)
        for address in addresses:
            processes.run_inside(sandbox, "address", "add", address, "dev", "eth0")

        (endpoint,) = await until(pods, ("web", link))

    assert endpoint.tap == HostTap(socket.if_nametoindex(link))


async def test_a_sandbox_made_anew_while_the_old_link_is_still_there(
    api, following, processes, cgroups
):
    """Its own process is seen in another network than the link, and again when that has gone."""
    first, second = processes.start_sandbox(), processes.start_sandbox()
    old = await asyncio.to_thread(processes.connect, first)
    new = await asyncio.to_thread(processes.connect, second)
    # The runtime holds the old namespace for a while.
    processes.start_beside(first)
    async with following() as pods:
        uid = await api.create_pod("web")
        cgroups.put(uid, first, "first")
        await until(pods, ("web", old))

        await asyncio.to_thread(first.end)
        cgroups.put(uid, second, "second")
        await api.patch("/api/v1/namespaces/shop/pods/web", {"metadata": {"labels": {"app": "x"}}})
        async with asyncio.timeout(1):
            while pods.current[0].labels["app"] != "x":
                await anext(pods)
        await until(pods, ("web", old))
        await asyncio.to_thread(ip, "link", "delete", old)

        await until(pods, ("web", new))


async def test_of_two_pods_that_claimed_one_network_the_one_that_is_left(
    api, following, processes, cgroups
):
    sandbox = processes.start_sandbox()
    link = await asyncio.to_thread(processes.connect, sandbox)
    async with following(grace_seconds=0) as pods:
        cgroups.put(await api.create_pod("true"), sandbox)
        await until(pods, ("true", link))
        cgroups.put(await api.create_pod("false"), processes.start_beside(sandbox))
        await until(pods, ("true", link), ("false", ""))

        await api.delete_pod("true")

        await until(pods, ("false", link))


@pytest.mark.parametrize("version", ["1", "2"])
async def test_a_process_that_is_put_into_a_cgroup_of_the_kernels(api, following, version):
    with open_kernel_cgroups(version) as cgroups, open_crowd() as crowd:
        async with following(cgroup_root=cgroups.root) as pods:
            member = crowd.start(Wish(f"e{os.getpid()}"))

            cgroups.put(await api.create_pod("web"), member.pid)

            await until(pods, ("web", f"e{os.getpid()}"))


@pytest.mark.parametrize("is_early", [True, False], ids=["made before", "made with it"])
async def test_a_process_that_is_cloned_into_a_cgroup_of_version_2(
    api, following, processes, is_early
):
    """As crun does: nothing is written into the cgroup."""
    namespace, other = processes.start_sandbox(), processes.start_sandbox()
    link = await asyncio.to_thread(processes.connect, namespace)
    others = [("other", await asyncio.to_thread(processes.connect, other))] if is_early else []
    with open_kernel_cgroups("2") as cgroups:
        async with following(cgroup_root=cgroups.root) as pods:
            directory = cgroups.make(await api.create_pod("web"))
            if is_early:
                # When what came later is known, so is that directory.
                cgroups.put(await api.create_pod("other"), other.pid)
                await until(pods, *others)

            with cloned_into(directory, namespace.pid):
                await until(pods, ("web", link), *others)
        await asyncio.to_thread(other.end)


@contextmanager
def cloned_into(directory, beside):
    """Have a process that begins in a cgroup, in the network namespace of another one."""
    libc = ctypes.CDLL(None)
    network = os.open(f"/proc/{beside}/ns/net", os.O_RDONLY)
    cgroup = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    before = os.open("/proc/self/ns/net", os.O_RDONLY)
    arguments = (ctypes.c_uint64 * 11)(
        _CLONE_INTO_CGROUP, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, cgroup
    )
    libc.setns(network, 0)
    child = libc.syscall(_CLONE3, arguments, ctypes.sizeof(arguments))
    if not child:
        signal.pause()
        os._exit(0)
    libc.setns(before, 0)
    for each in (network, cgroup, before):
        os.close(each)
    assert child > 0
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
