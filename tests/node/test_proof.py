"""What proving takes: no capability for links of the node, some for a look into pods."""

import asyncio
import json
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nodeagent.discovery.inside import NamespaceError, following_links_inside
from nodeagent.discovery.links import following_links
from nodeagent.discovery.processes import network_of_this_thread
from nodeagent.discovery.proof import Proofs
from nodeagent.discovery.questions import open_questions
from nodeagent.discovery.sandbox import Sandbox, hold_sandbox

ROOT = Path(__file__).parents[2]
WITHOUT_CAPABILITIES = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")


def test_the_nodes_links_into_a_pod_are_proven_without_any_capability(processes, tmp_path):
    sandbox = processes.start_sandbox()
    link = processes.connect(sandbox)
    (tmp_path / "cgroup.procs").write_text(str(sandbox.pid))

    done = subprocess.run(
        [*WITHOUT_CAPABILITIES, sys.executable, __file__, str(tmp_path)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    told = json.loads(done.stdout)
    assert told["capabilities"] == 0
    assert told["links"] == [socket.if_nametoindex(link)]
    assert "SYS_ADMIN" in told["inside"]


async def prove(directory):
    """Find the links of the pod with this cgroup, and try to look into its namespace."""
    held = hold_sandbox(directory, node_network=network_of_this_thread())
    inside = ""
    with open_questions() as kernel:
        proofs = Proofs[Sandbox](kernel)
        proofs.offer({"a": held})
        async with following_links() as links:
            proofs.settle(links.current.values())
        proof = proofs.find("a")
        assert proof is not None
        found = list(proof.links)
        try:
            async with following_links_inside(held):
                pass
        except NamespaceError as error:
            inside = str(error)
        proofs.close()
    return {"links": found, "inside": inside}


async def test_the_links_inside_are_those_of_the_namespace(processes, tmp_path):
    sandbox = await asyncio.to_thread(processes.start_sandbox)
    await asyncio.to_thread(processes.connect, sandbox)
    (tmp_path / "cgroup.procs").write_text(str(sandbox.pid))
    held = await asyncio.to_thread(hold, tmp_path)

    async with following_links_inside(held) as (links, _):
        assert links.current.keys() == {"lo", "eth0"}
        assert links.current["lo"].is_loopback

    held.close()


async def test_the_namespace_of_a_process_that_ended_is_not_entered(processes, tmp_path):
    sandbox = await asyncio.to_thread(processes.start_sandbox)
    (tmp_path / "cgroup.procs").write_text(str(sandbox.pid))
    held = await asyncio.to_thread(hold, tmp_path)
    await asyncio.to_thread(sandbox.end)

    with pytest.raises(NamespaceError):
        async with following_links_inside(held):
            pass

    held.close()


async def test_a_namespace_that_is_not_the_one_that_was_seen_is_not_entered(processes, tmp_path):
    sandbox = await asyncio.to_thread(processes.start_sandbox)
    (tmp_path / "cgroup.procs").write_text(str(sandbox.pid))
    held = await asyncio.to_thread(hold, tmp_path)

    with pytest.raises(NamespaceError, match="gone to another one"):
        async with following_links_inside(replace(held, network=held.network + 1)):
            pass

    held.close()


def hold(directory):
    return hold_sandbox(directory, node_network=network_of_this_thread())


def capabilities():
    """Return the effective ones of this process, as a number."""
    return int(Path("/proc/self/status").read_text().split("CapEff:")[1].split()[0], 16)


if __name__ == "__main__":
    told = asyncio.run(prove(Path(sys.argv[1])))
    print(json.dumps({**told, "capabilities": capabilities()}))
