"""Pods' cgroups: made trees for each way of naming them, and the kernel's own."""

import asyncio
import errno
import os
import secrets
import shutil
from pathlib import Path

import pytest
import uvloop
from asyncinotify import Inotify

from nodeagent.discovery.cgroups import CgroupsError, CgroupTree, following_cgroups
from nodeagent.discovery.endpoints import ProcessId
from nodeagent.discovery.processes import (
    NoSandboxError,
    find_sandbox,
    network_of,
    network_of_this_thread,
    read_process,
)
from nodeagent.discovery.sandbox import hold_sandbox

UID = "01234567-89ab-cdef-0123-456789abcdef"
OTHER = "fedcba98-7654-3210-fedc-ba9876543210"
SPELLED = UID.replace("-", "_")


@pytest.fixture
def root(tmp_path):
    """Version 2, empty."""
    (tmp_path / "cgroup.controllers").write_text("")
    return tmp_path


def make(root, path):
    (root / path).mkdir(parents=True)
    return root / path


def put(directory, *pids):
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))


async def until(tree, uid, count):
    async with asyncio.timeout(10):
        while len(tree.directories(uid)) != count:
            await tree.wait()


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(f"kubepods/pod{UID}", id="cgroupfs, guaranteed"),
        pytest.param(f"kubepods/burstable/pod{UID}", id="cgroupfs, burstable"),
        pytest.param(f"node-a/kubepods/besteffort/pod{UID}", id="below another root"),
        pytest.param(f"kubelet/kubepods/burstable/pod{UID}", id="kind, cgroupfs"),
        pytest.param(f"docker/0123abcd/kubelet/kubepods/besteffort/pod{UID}", id="in docker"),
        pytest.param(f"kubepods.slice/kubepods-pod{SPELLED}.slice", id="systemd, guaranteed"),
        pytest.param(
            f"kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{SPELLED}.slice",
            id="systemd",
        ),
        pytest.param(
            "kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
            f"kubelet-kubepods-burstable-pod{SPELLED}.slice",
            id="kind, systemd",
        ),
    ],
)
@pytest.mark.parametrize("is_there", [True, False], ids=["there before", "made later"])
async def test_a_pods_directory_is_found(root, path, is_there):
    if is_there:
        make(root, path)
    async with following_cgroups(root) as tree:
        if not is_there:
            assert tree.directories(UID) == ()
            make(root, path)
            await until(tree, UID, 1)

        assert tree.directories(UID) == (root / path,)

        shutil.rmtree(root / path)
        await until(tree, UID, 0)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(f"user.slice/pod{UID}", id="outside of the kubelet's"),
        pytest.param(f"kubepods/pod{OTHER}/pod{UID}", id="in another pod's"),
        pytest.param(f"kubepods/pod{OTHER}/container/kubepods/pod{UID}", id="deeper in another's"),
        pytest.param(f"kubepods/pod{UID}-copy", id="another name"),
    ],
)
async def test_a_directory_that_only_looks_like_a_pods_is_none(root, path):
    make(root, path)
    async with following_cgroups(root) as tree:
        assert tree.directories(UID) == ()

        make(root, f"kubepods/burstable/pod{UID}")
        await until(tree, UID, 1)


@pytest.mark.parametrize(
    ("hierarchies", "chosen"),
    [
        pytest.param(["pids", "memory", "systemd"], "pids", id="version 1"),
        pytest.param(["memory", "systemd", "unified"], "memory", id="both versions"),
        pytest.param(["cpu,cpuacct", "net_cls"], "cpu,cpuacct", id="joined controllers"),
        pytest.param(["systemd"], "systemd", id="only a named hierarchy"),
        pytest.param(["zzz", "blkio"], "blkio", id="only others"),
        pytest.param(["unified"], "unified", id="version 2 beside nothing"),
    ],
)
async def test_one_hierarchy_is_followed(tmp_path, hierarchies, chosen):
    for name in hierarchies:
        make(tmp_path, f"{name}/kubepods/pod{UID}")
        (tmp_path / name / "cgroup.procs").write_text("")
    if "unified" in hierarchies:
        (tmp_path / "unified" / "cgroup.controllers").write_text("")

    async with following_cgroups(tmp_path) as tree:
        assert tree.directories(UID) == (tmp_path / chosen / "kubepods" / f"pod{UID}",)


@pytest.mark.parametrize("name", ["", "missing"], ids=["empty", "not there"])
async def test_without_cgroups_there_is_no_start(tmp_path, name):
    with pytest.raises(CgroupsError, match="mount the host's /sys/fs/cgroup"):
        async with following_cgroups(tmp_path / name):
            pass


@pytest.mark.parametrize("file", ["cgroup.procs", "cgroup.events"])
async def test_a_process_that_is_put_into_a_container_is_told_of(root, file):
    container = make(root, f"kubepods/pod{UID}/container")
    (container / "memory.events").write_text("")
    (container / file).write_text("")
    async with following_cgroups(root) as tree:
        (container / "memory.events").write_text("x")
        (container / file).write_text("1")

        async with asyncio.timeout(10):
            await tree.wait()


async def test_a_directory_that_is_moved_is_followed(root):
    pod = make(root, f"kubepods/pod{UID}")
    async with following_cgroups(root) as tree:
        pod.rename(root / "kubepods" / f"pod{OTHER}")

        await until(tree, OTHER, 1)
        assert tree.directories(UID) == ()


class Scarce(Inotify):
    """Has so many watches to give, as a kernel whose limit others have used up."""

    def __init__(self, watches):
        super().__init__(sync_timeout=0)
        os.set_blocking(self.fd, False)
        self.left = watches

    def add_watch(self, path, mask):
        if not self.left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        watch = super().add_watch(path, mask)
        self.left -= 1
        return watch

    def rm_watch(self, watch):
        self.left += 1
        super().rm_watch(watch)


async def test_a_pod_for_which_there_was_no_watch_is_found_once_there_is_one(root, caplog):
    caplog.set_level("INFO")
    put(root / f"kubepods/pod{UID}/sandbox", 1)
    kernel = Scarce(2)
    with kernel:
        tree = CgroupTree(root, kernel, retry_seconds=0.01)
        await asyncio.to_thread(tree.read)
        before = tree.directories(UID)
        kernel.left += 2

        await until(tree, UID, 1)

    assert before == ()
    assert caplog.messages == ["pods may be overlooked", "no pod is overlooked any more"]


async def test_notices_do_not_put_off_the_next_try_for_a_watch(root):
    put(root / f"kubepods/pod{UID}/sandbox", 1)
    kernel = Scarce(2)
    with kernel:
        tree = CgroupTree(root, kernel, retry_seconds=0.2)
        await asyncio.to_thread(tree.read)
        kernel.left += 10
        async with asyncio.TaskGroup() as tasks:
            storm = tasks.create_task(make_noise(root / "kubepods"))
            await until(tree, UID, 1)
            storm.cancel()


async def make_noise(directory):
    """Make directories that are no pods', again and again."""
    while True:
        await asyncio.to_thread((directory / "noise").mkdir)
        await asyncio.to_thread((directory / "noise").rmdir)
        await asyncio.sleep(0.01)


def test_pods_of_a_busy_node_are_all_found(root):
    uids = [UID[:-4] + f"{number:04x}" for number in range(300)]

    async def scenario():
        async with following_cgroups(root) as tree:
            for uid in uids:
                for container in ("one", "two"):
                    make(root, f"kubepods/burstable/pod{uid}/{container}")
            for uid in uids[:150]:
                shutil.rmtree(root / f"kubepods/burstable/pod{uid}")
            async with asyncio.timeout(10):
                while [len(tree.directories(uid)) for uid in uids] != [0] * 150 + [1] * 150:
                    await tree.wait()

    uvloop.run(scenario())


@pytest.mark.blocking_ok
@pytest.mark.parametrize("path", ["kubepods/besteffort", "pcap-nested/kubepods"])
def test_the_kernels_own_cgroups_are_followed(processes, path):
    hierarchy = Path("/sys/fs/cgroup/pids")
    uid = UID[:-8] + secrets.token_hex(4)
    pod = hierarchy / path / f"pod{uid}"
    sandbox = processes.start_sandbox()
    created = [each for each in (pod / "sandbox", pod, *pod.parents) if not each.exists()]

    def remove():
        sandbox.end()
        for directory in created:
            if directory.exists():
                directory.rmdir()

    async def scenario():
        async with following_cgroups(Path("/sys/fs/cgroup")) as tree:
            (pod / "sandbox").mkdir(parents=True)
            await until(tree, uid, 1)
            (pod / "sandbox" / "cgroup.procs").write_text(str(sandbox.pid))
            async with asyncio.timeout(10):
                await tree.wait()
            found = find_sandbox(pod, node_network=network_of_this_thread())
            assert found[0] == sandbox.identify()

            remove()
            await until(tree, uid, 0)

    try:
        asyncio.run(scenario())
    finally:
        remove()


# What is in a cgroup.


def search(directory):
    process, network = find_sandbox(directory, node_network=network_of_this_thread())
    assert network == network_of(process)
    return process.pid


def test_the_oldest_process_is_the_sandboxs(root, processes):
    """Not the first in the file, nor in the first directory."""
    first = processes.start_sandbox()
    second, third = processes.start_sandbox(), processes.start_beside(first)
    wait_for_later_ticks(processes, first)
    put(root / "a", third.pid, second.pid)
    put(root / "z", first.pid)

    assert search(root) == first.pid


def wait_for_later_ticks(processes, first):
    """Start times count in hundredths of a second: go on until they are later than the first's."""
    begun = first.identify().start_time
    while processes.start_on_node().identify().start_time <= begun:
        pass


def test_a_deeper_cgroup_may_hold_it(root, processes):
    sandbox = processes.start_sandbox()
    put(root / "scope" / "container", sandbox.pid)

    assert search(root) == sandbox.pid


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param("", "no process of the pod runs yet", id="empty"),
        pytest.param("0\n0\n", "no process of the pod runs yet", id="of another PID namespace"),
        pytest.param(f"{2**22}\n", "no process of the pod runs yet", id="gone"),
        pytest.param(f"{os.getpid()}\n", "in the node's own network so far", id="on the node"),
    ],
)
def test_without_a_process_of_its_own_a_pod_has_no_sandbox(root, content, reason):
    (root / "cgroup.procs").write_text(content)

    with pytest.raises(NoSandboxError, match=reason):
        search(root)


def test_a_process_that_has_ended_and_is_not_buried_is_none(processes):
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)

    assert read_process(child) is None
    os.waitpid(child, 0)


def test_a_pid_with_another_start_time_is_another_process(processes):
    sandbox = processes.start_sandbox()
    process = sandbox.identify()

    assert network_of(process) is not None
    assert network_of(ProcessId(process.pid, process.start_time - 1)) is None


def test_a_sandbox_that_is_held_tells_that_it_has_ended(root, processes):
    sandbox = processes.start_sandbox()
    put(root / "sandbox", sandbox.pid)
    held = hold_sandbox(root, node_network=network_of_this_thread())
    other = held.duplicate()
    assert held.is_alive

    sandbox.end()

    assert [each.is_alive for each in (held, other)] == [False, False]
    for each in (held, other):
        each.close()


def test_namespaces_are_told_apart(processes):
    first, second = processes.start_sandbox(), processes.start_sandbox()
    beside, on_node = processes.start_beside(first), processes.start_on_node()

    networks = [each.network() for each in (first, second, beside, on_node)]

    assert networks[0] == networks[2] != networks[1]
    assert networks[3] == network_of_this_thread()
    assert len(set(networks)) == 3
