"""When a notice of a cgroup is worth a round."""

import asyncio
import os
import subprocess

import pytest

from nodeagent.discovery.endpoints import ProcessId
from nodeagent.discovery.links import Links
from nodeagent.discovery.patience import Patience
from nodeagent.discovery.pod import Pod
from nodeagent.discovery.proof import Proofs
from nodeagent.discovery.prover import LabelledPods, Prover
from nodeagent.discovery.sandbox import Absence, Sandbox, SandboxSearch, WatchedSandbox


class Kernel:
    """Has nothing to say of namespaces and links."""

    def namespace_of(self, _pid):
        return None

    def link(self, _index):
        return None


class Search(SandboxSearch):
    """Finds one process, that of the pod with the cgroup "held"."""

    def __init__(self, pid):
        self.pid = pid

    def look(self, uids):
        held = {uid for uid, cgroup_uid in uids.items() if cgroup_uid == "held"}
        sandbox = Sandbox(ProcessId(self.pid, 1), 7, os.pidfd_open(self.pid))
        absences = {uid: Absence("no process") for uid in uids.keys() - held}
        return absences, dict.fromkeys(held, sandbox)


def a_pod(name):
    return Pod(
        namespace="shop",
        name=name,
        uid=f"uid-{name}",
        node="n1",
        labels={},
        service_account="",
        is_on_host_network=False,
        is_terminating=False,
        cgroup_uid=name,
        ports=(),
    )


@pytest.fixture
def process():
    with subprocess.Popen(["sleep", "1000"]) as started:
        yield started
        started.kill()


@pytest.mark.blocking_ok
async def test_only_a_pod_that_is_without_its_process_is_looked_for_again(process):
    pods: LabelledPods = {pod.uid: (pod, {}) for pod in (a_pod("held"), a_pod("lost"))}
    ended = asyncio.Event()
    proofs = Proofs[WatchedSandbox](Kernel())
    prover = Prover(
        Search(process.pid),
        Links(),
        proofs,
        interiors=None,
        patience=Patience(lambda least, _most: least),
        changed=ended.set,
    )
    await prover.find_endpoints(lambda: pods, clock=lambda: 0.0)

    told = {name: prover.look_again({name}) for name in ("held", "lost", "nobody's")}
    process.kill()
    async with asyncio.timeout(10):
        await ended.wait()
    afterwards = prover.look_again({"held"})
    proofs.close()

    assert told == {"held": False, "lost": True, "nobody's": False}
    assert afterwards
