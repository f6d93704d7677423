"""`captured-packets` on a node whose agent is at work."""

import asyncio
import sys
from asyncio import create_subprocess_exec, subprocess

import pytest

from tests.support.client import capture, collection
from tests.support.netns import Pod
from tests.support.standalone import ROOT
from tests.support.tcpdump import read_numbers


@pytest.fixture
def run(system):
    async def command(*arguments):
        process = await create_subprocess_exec(
            *(sys.executable, "-m", "nodeagent", "captured-packets", *arguments),
            f"--capture-dir={system.captures}",
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        async with asyncio.timeout(30):
            out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()

    return command


async def test_a_running_capture_is_listed_and_copied_and_not_removed(
    system, run, pod: Pod, tmp_path
):
    target = tmp_path / "evidence"
    with system.both():
        created = await system.admin.create("shop", capture())
        uid = created.json["metadata"]["uid"]
        await system.until_state("http", "WaitingForTraffic")
        await asyncio.to_thread(pod.send, range(100))
        await system.until("http", lambda it: it.get("packets") == 100)

        _, listed, _ = await run("list", "-n", "shop")
        copied = await run("copy", "http", "-n", "shop", "--dest", str(target))
        refused = await run("clean", "http", "-n", "shop")
        await asyncio.to_thread(pod.send, range(100, 200))
        await system.until("http", lambda it: it.get("packets") == 200)

        patch = {"spec": {"endTime": "2020-01-01T00:00:00Z"}}
        await system.admin.patch(collection("shop", "http"), patch)
        await system.until_state("http", "Finished")
        cleaned = await run("clean", "http", "-n", "shop")

    name = f"web_{pod.interface}.pcap"
    fields = listed.splitlines()[1].split()
    assert fields[:5] == ["shop", "http", "web", pod.interface, "active"]
    assert fields[-1] == uid
    assert copied == (0, f"Copy capture files for shop/http to {target}\n", "")
    assert read_numbers(target / name) == list(range(100))
    assert refused == (3, "", f"shop/http: {name} is being written\n")
    assert cleaned == (0, "Clean capture files for shop/http\n", "")
    assert [each.name for each in (system.captures / "shop/http").iterdir()] == [".capture.json"]
