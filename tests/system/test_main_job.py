"""Object in, packets out: server and agent as they run, real packets, restarts in between."""

import asyncio
from pathlib import Path

import pytest

from tests.support.client import Client, capture, collection
from tests.support.directories import until_removed
from tests.support.netns import PORT
from tests.support.tcpdump import read_numbers

FILTERS = [{"protocol": "UDP", "ports": [PORT]}]
FILES = collection("shop", "http", "files")


async def send(pod, numbers):
    await asyncio.to_thread(pod.send, numbers)


async def started(system):
    made = await system.admin.create("shop", capture(selector="app == 'web'", filters=FILTERS))
    assert made.code == 201
    await system.until_state("http", "WaitingForTraffic")


async def end(system):
    patch = {"spec": {"endTime": "2026-01-01T00:00:00Z"}}
    assert (await system.admin.patch(collection("shop", "http"), patch)).code == 200
    return await system.until_state("http", "Finished")


async def downloaded(system, tmp_path: Path, name: str) -> list[int]:
    answer = await system.admin.get(f"{FILES}/n1/{name}")
    assert answer.code == 200
    path = tmp_path / "downloaded.pcap"
    path.write_bytes(answer.body)
    return read_numbers(path)


async def test_the_main_job(system, pod, tmp_path):
    with system.both():
        await started(system)
        await send(pod, range(100))
        entry = await end(system)
        listed = (await system.admin.get(FILES)).json
        numbers = await downloaded(system, tmp_path, listed["items"][0]["name"])
        assert (await system.admin.delete(collection("shop", "http"))).code == 200
        await asyncio.to_thread(until_removed, system.captures / "shop" / "http")

    (endpoint,) = entry["endpoints"]
    assert (endpoint["packets"], endpoint["dropped"], endpoint["lossless"]) == (100, 0, True)
    assert entry["fileNames"] == [each["name"] for each in listed["items"]]
    assert listed["unreachableNodes"] == []
    assert numbers == list(range(100))


async def test_a_file_can_be_read_while_it_grows(system, pod, tmp_path):
    with system.both():
        await started(system)
        await send(pod, range(50))
        entry = await system.until_state("http", "Capturing")

        numbers = await downloaded(system, tmp_path, entry["fileNames"][0])

    assert numbers == list(range(len(numbers)))
    assert numbers


async def test_an_agent_that_is_there_before_the_server_captures_when_it_comes(system, pod):
    with system.agent(), system.server():
        await started(system)
        await send(pod, range(10))
        entry = await end(system)

    assert entry["endpoints"][0]["packets"] == 10


async def test_a_server_that_restarts_during_a_capture_misses_nothing(system, pod, tmp_path):
    with system.agent():
        with system.server():
            await started(system)
            await send(pod, range(10))
            await system.until_state("http", "Capturing")
        await send(pod, range(10, 20))
        with system.server():
            await send(pod, range(20, 30))
            entry = await end(system)
            numbers = await downloaded(system, tmp_path, entry["fileNames"][0])

    assert entry["endpoints"][0]["packets"] == 30
    assert numbers == list(range(30))


async def test_trap_36_what_is_deleted_while_the_agent_is_cut_off_ends_when_it_is_back(
    system, pod
):
    with system.agent():
        with system.server():
            await started(system)
        with system.server():
            assert (await system.admin.delete(collection("shop", "http"))).code == 200
            await asyncio.to_thread(until_removed, system.captures / "shop" / "http")


async def test_an_agent_that_restarts_keeps_its_files_and_its_counts(system, pod, tmp_path):
    with system.server():
        with system.agent():
            await started(system)
            await send(pod, range(10))
            await system.until_state("http", "Capturing")
        with system.agent():
            await system.until("http", lambda it: len(it["files"][0]["fileNames"]) > 1)
            await send(pod, range(10, 15))
            entry = await end(system)
            rotated, active = sorted(entry["fileNames"])
            numbers = [await downloaded(system, tmp_path, each) for each in (rotated, active)]

    assert entry["endpoints"][0]["packets"] == 15
    assert numbers == [list(range(10)), list(range(10, 15))]


async def test_an_agent_that_is_killed_loses_nothing_that_it_wrote(system, pod, tmp_path):
    with system.server():
        with system.agent() as process:
            await started(system)
            await send(pod, range(10))
            await system.until_state("http", "Capturing")
            process.kill()
            process.wait()
        with system.agent():
            await system.until("http", lambda it: len(it["files"][0]["fileNames"]) > 1)
            await send(pod, range(10, 15))
            entry = await end(system)
            rotated, active = sorted(entry["fileNames"])
            before = await downloaded(system, tmp_path, rotated)
            after = await downloaded(system, tmp_path, active)

    # What was in the kernel's ring when it was killed is lost, so it is a beginning.
    assert before
    assert before == list(range(len(before)))
    assert after == list(range(10, 15))
    assert entry["endpoints"][0]["packets"] >= len(after) + 1


async def test_a_node_that_cannot_be_reached_is_named(system, pod):
    with system.server():
        with system.agent():
            await started(system)
        listed = await system.admin.get(FILES)
        file = await system.admin.get(f"{FILES}/n1/web_{pod.interface}.pcap")
        unknown = await system.admin.get(f"{FILES}/n2/web_{pod.interface}.pcap")

    assert listed.code == 200
    assert [each["node"] for each in listed.json["unreachableNodes"]] == ["n1"]
    assert (file.code, file.json["reason"]) == (503, "ServiceUnavailable")
    assert "node n2 cannot be reached: it has no agent" in unknown.json["message"]


async def test_what_is_no_file_of_the_capture_is_not_found(system, pod):
    with system.both():
        await started(system)
        uid = (await system.admin.get(collection("shop", "http"))).json["metadata"]["uid"]
        names = ["other.pcap", ".capture.json", "%2e%2e", "..%2f..%2fhttp", "a%0a.pcap"]
        names += [f"web_{pod.interface}.pcap%3Fuid={uid}", f"web_{pod.interface}.pcap%23"]
        answers = [await system.admin.get(f"{FILES}/n1/{name}") for name in names]

    assert {answer.code for answer in answers} <= {400, 404}


async def test_nobody_but_the_server_is_served_by_the_agent(system, session, pod):
    with system.both():
        await started(system)
        uid = (await system.admin.get(collection("shop", "http"))).json["metadata"]["uid"]
        url = f"https://127.0.0.1:{system.agent_port}"
        path = "/v1/namespaces/shop/packetcaptures/http/files"
        codes = {}
        for files in (system.layout.admin, system.layout.server_as_client):
            tls = system.installation.client(files)
            tls.check_hostname = False
            codes[files] = [
                (await Client(session, url, tls).get(path, uid=each)).code
                for each in (uid, "another")
            ]

    assert codes == {
        system.layout.admin: [403, 403],
        system.layout.server_as_client: [200, 404],
    }


async def test_a_capture_directory_that_cannot_be_written_is_said_and_the_api_stays_healthy(
    system, pod
):
    system.captures.write_text("in the way")
    with system.both():
        await system.admin.create("shop", capture())
        entry = await system.until_state("http", "Error")
        ready = await system.admin.get("/readyz")

    assert str(system.captures) in entry["endpoints"][0]["message"]
    assert ready.body == b"ok"


async def test_pods_are_captured_as_they_come_and_go(system, pod):
    system.set_pods()
    with system.both():
        await system.admin.create("shop", capture(filters=FILTERS))
        system.set_pods(pod)
        await system.until_state("http", "WaitingForTraffic")
        await send(pod, range(10))
        await system.until_state("http", "Capturing")
        system.set_pods()
        entry = await system.until_state("http", "Finished")

    (endpoint,) = entry["endpoints"]
    assert (endpoint["packets"], endpoint["stopReason"]) == (10, "Deleted")


@pytest.mark.parametrize("ports", [["main"], [PORT]], ids=["by name", "by number"])
async def test_a_port_may_be_named(system, pod, ports):
    with system.both():
        await system.admin.create("shop", capture(filters=[{"protocol": "UDP", "ports": ports}]))
        await system.until_state("http", "WaitingForTraffic")
        await asyncio.to_thread(pod.send, range(5), port=PORT + 1)
        await send(pod, range(5))
        entry = await end(system)

    assert entry["endpoints"][0]["packets"] in {5, 10}
