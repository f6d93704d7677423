"""The agent's loop over real links, a real engine and real directories: what the server is told."""

import asyncio
import shutil
from datetime import timedelta

from tests.node.loop import capture, endpoint, running_loop
from tests.support.netns import PORT, ip
from tests.support.tcpdump import read_numbers


async def test_a_selected_pod_is_captured_from_waiting_to_its_first_packet(agent, pod):
    agent.set_pods(pod)
    agent.apply(capture(selector="app == 'web'", filters=[{"protocol": "UDP", "ports": [PORT]}]))

    await agent.reported.until_state("WaitingForTraffic")
    await asyncio.to_thread(pod.send, range(10))
    told = await agent.reported.until_state("Capturing")

    assert (told.pod, told.interface) == ("web", pod.interface)
    assert agent.reported.newest["u1"].file_names == (f"web_{pod.interface}.pcap",)
    assert agent.reported.newest["u1"].directory == str(agent.root / "shop" / "http")


async def test_the_end_ends_it_and_keeps_the_file(agent, pod):
    agent.set_pods(pod)
    agent.apply(capture())
    await agent.reported.until_state("WaitingForTraffic")
    await asyncio.to_thread(pod.send, range(10))
    await agent.reported.until_state("Capturing")

    agent.apply(capture(generation=2, endTime="2026-01-02T15:00:00Z"))
    told = await agent.reported.until_state("Finished")

    assert (told.stop_reason, told.packets) == ("EndTime", 10)
    assert agent.reported.newest["u1"].observed_generation == 2
    assert read_numbers(agent.file(pod.interface)) == list(range(10))


async def test_a_capture_that_ended_goes_on_in_a_new_file_and_counts_on(agent, pod):
    agent.set_pods(pod)
    agent.apply(capture())
    await agent.reported.until_state("WaitingForTraffic")
    await asyncio.to_thread(pod.send, range(10))
    agent.apply(capture(endTime="2026-01-02T15:00:00Z"))
    await agent.reported.until_state("Finished")

    agent.apply(capture())
    await agent.reported.until_state("Capturing")
    await asyncio.to_thread(pod.send, range(10, 15))
    agent.apply(capture(endTime="2026-01-02T15:00:00Z"))
    told = await agent.reported.until_state("Finished")

    rotated, active = sorted(agent.file(pod.interface).parent.glob("*.pcap"))
    assert told.packets == 15
    assert (read_numbers(rotated), read_numbers(active)) == (
        list(range(10)),
        list(range(10, 15)),
    )


async def test_a_start_to_come_is_scheduled_until_its_time(agent, pod):
    agent.set_pods(pod)
    agent.apply(capture(startTime="2026-01-02T16:00:00Z"))
    await agent.reported.until_state("Scheduled")
    assert not agent.root.exists()

    agent.now += timedelta(hours=1)
    agent.reconciler.wake()

    await agent.reported.until_state("WaitingForTraffic")


async def test_trap_25_a_start_moved_into_the_future_stops_a_running_capture_at_once(agent, pod):
    agent.set_pods(pod)
    agent.apply(capture())
    await agent.reported.until_state("WaitingForTraffic")
    await asyncio.to_thread(pod.send, range(10))
    await agent.reported.until_state("Capturing")

    agent.apply(capture(generation=2, startTime="2026-01-02T16:00:00Z"))
    told = await agent.reported.until_state("Scheduled")
    size = agent.file(pod.interface).stat().st_size
    await asyncio.to_thread(pod.send, range(10, 20))

    assert (told.packets, told.stop_reason) == (10, "")
    assert agent.engine.snapshot() == {}
    assert agent.file(pod.interface).stat().st_size == size
    assert read_numbers(agent.file(pod.interface)) == list(range(10))


async def test_trap_31_files_are_told_by_their_names_the_rotated_ones_too(agent, pod):
    agent.set_pods(pod)
    agent.apply(capture())
    await agent.reported.until_state("WaitingForTraffic")
    await asyncio.to_thread(pod.send, range(10))
    await agent.reported.until_state("Capturing")

    agent.apply(capture(generation=2, filters=[{"ports": [PORT]}]))
    await agent.reported.until(lambda it: len(it.newest["u1"].file_names) == 2)

    active = agent.file(pod.interface)
    told = agent.reported.newest["u1"].file_names
    assert active.name in told
    assert {*told} == {each.name for each in active.parent.glob("*.pcap")}


async def test_an_edit_of_the_filter_loses_nothing(agent, pod):
    agent.set_pods(pod)
    agent.apply(capture(filters=[{"ports": [PORT]}]))
    await agent.reported.until_state("WaitingForTraffic")
    await asyncio.to_thread(pod.send, range(10))
    await agent.reported.until_state("Capturing")

    agent.apply(capture(generation=2, filters=[{"ports": [PORT + 1]}]))
    await agent.reported.until(lambda it: it.newest["u1"].observed_generation == 2)
    await asyncio.to_thread(pod.send, range(10, 20), port=PORT + 1)
    agent.apply(capture(generation=3, endTime="2026-01-02T15:00:00Z"))
    told = await agent.reported.until_state("Finished")

    rotated, active = sorted(agent.file(pod.interface).parent.glob("*.pcap"))
    assert told.packets == 20
    assert read_numbers(rotated) == list(range(10))
    assert read_numbers(active) == list(range(10, 20))


async def test_a_pod_that_goes_leaves_its_file_and_its_entry(agent, pod):
    agent.set_pods(pod)
    agent.apply(capture())
    await agent.reported.until_state("WaitingForTraffic")
    await asyncio.to_thread(pod.send, range(10))
    await agent.reported.until_state("Capturing")

    agent.set_pods()
    told = await agent.reported.until_state("Finished")

    assert (told.stop_reason, told.packets) == ("Deleted", 10)
    assert read_numbers(agent.file(pod.interface)) == list(range(10))


async def test_a_pod_that_loses_its_label_is_captured_no_more(agent, pod):
    agent.set_pods(pod)
    agent.apply(capture(selector="app == 'web'"))
    await agent.reported.until_state("WaitingForTraffic")

    agent.reconciler.set_endpoints((endpoint(pod.interface, app="db"),))

    assert (await agent.reported.until_state("Finished")).stop_reason == "Unselected"


async def test_an_interface_that_vanishes_is_said_and_one_that_comes_back_is_captured(agent, pod):
    agent.set_pods(pod)
    agent.apply(capture())
    await agent.reported.until_state("WaitingForTraffic")
    await asyncio.to_thread(pod.send, range(10))
    await agent.reported.until_state("Capturing")

    await asyncio.to_thread(ip, "link", "delete", pod.interface)
    agent.reconciler.set_links({})
    gone = await agent.reported.until_state("Error")
    peer = ("peer", "name", "eth0", "netns", pod.namespace)
    await asyncio.to_thread(ip, "link", "add", pod.interface, "type", "veth", *peer)
    await asyncio.to_thread(ip, "link", "set", pod.interface, "addrgenmode", "none", "up")
    await asyncio.to_thread(
        ip, "-n", pod.namespace, "link", "set", "eth0", "addrgenmode", "none", "up"
    )
    agent.set_pods(pod)
    await agent.reported.until_state("Capturing")
    await asyncio.to_thread(pod.send, range(10, 15))
    agent.apply(capture(endTime="2026-01-02T15:00:00Z"))
    told = await agent.reported.until_state("Finished")

    assert pod.interface in gone.message
    assert gone.packets == 10
    assert told.packets == 15


async def test_trap_36_a_deleted_capture_takes_its_files_along(agent, pod):
    agent.set_pods(pod)
    agent.apply(capture())
    await agent.reported.until_state("WaitingForTraffic")

    agent.delete("u1")
    await agent.reported.until(lambda it: "u1" not in it.newest)

    assert not (agent.root / "shop" / "http").exists()


async def test_a_capture_that_is_deleted_while_it_starts_leaves_nothing_running(agent, pod):
    agent.reported.on_put = lambda: agent.delete("u1")
    agent.set_pods(pod)
    agent.apply(capture())

    await agent.reported.until(lambda it: "u1" in it.newest)
    await agent.reported.until(lambda it: "u1" not in it.newest)

    assert agent.engine.snapshot() == {}
    assert not (agent.root / "shop" / "http").exists()


async def test_a_capture_that_is_merely_out_of_sight_keeps_its_files(agent, pod):
    agent.set_pods(pod)
    agent.apply(capture())
    await agent.reported.until_state("WaitingForTraffic")
    await asyncio.to_thread(pod.send, range(10))
    await agent.reported.until_state("Capturing")

    agent.apply()
    agent.apply(capture())
    agent.apply(capture(generation=2, endTime="2026-01-02T15:00:00Z"))
    told = await agent.reported.until_state("Finished")

    assert told.packets == 10
    assert agent.file(pod.interface).parent.exists()


async def test_a_new_object_of_the_same_name_has_nothing_of_the_old_one(agent, pod):
    agent.set_pods(pod)
    agent.apply(capture("u1"))
    await agent.reported.until_state("WaitingForTraffic", "u1")
    await asyncio.to_thread(pod.send, range(10))
    await agent.reported.until_state("Capturing", "u1")

    agent.apply(capture("u2"))
    told = await agent.reported.until_state("WaitingForTraffic", "u2")

    assert told.packets == 0
    assert read_numbers(agent.file(pod.interface)) == []


async def test_a_directory_that_cannot_be_written_is_said_in_the_status(agent, pod):
    agent.root.write_text("a file is in the way")
    agent.set_pods(pod)
    agent.apply(capture())

    told = await agent.reported.until_state("Error")

    assert str(agent.root) in told.message
    assert "directory" in told.message.lower()


async def test_trap_34_a_pod_without_its_interface_says_so(agent, pod):
    agent.set_pods()
    agent.reconciler.set_endpoints((endpoint("cali-nowhere"),))
    agent.apply(capture())

    told = await agent.reported.until_state("Error")

    assert told.message == "interface cali-nowhere does not exist on this node"


async def test_a_new_run_of_the_agent_knows_what_the_last_one_counted(agent, pod):
    agent.set_pods(pod)
    agent.apply(capture())
    await agent.reported.until_state("WaitingForTraffic")
    await asyncio.to_thread(pod.send, range(10))
    await agent.reported.until_state("Capturing")
    await agent.reconciler.stop_all()

    async with running_loop(agent.root) as again:
        again.set_pods(pod)
        again.apply(capture())
        told = await again.reported.until_state("Capturing")

    assert told.packets == 10
    assert len(list(agent.file(pod.interface).parent.glob("*.pcap"))) == 2


async def test_a_directory_that_was_removed_is_made_again(agent, pod):
    agent.set_pods(pod)
    agent.apply(capture())
    await agent.reported.until_state("WaitingForTraffic")
    agent.apply(capture(endTime="2026-01-02T15:00:00Z"))
    await agent.reported.until_state("Finished")
    await asyncio.to_thread(shutil.rmtree, agent.root)

    agent.apply(capture())
    await agent.reported.until_state("Error")
    agent.set_pods(pod)

    await agent.reported.until_state("WaitingForTraffic")
    assert agent.file(pod.interface).exists()


async def test_a_directory_that_is_removed_while_it_is_written_to_is_made_anew(agent, pod):
    agent.set_pods(pod)
    agent.apply(capture())
    await agent.reported.until_state("WaitingForTraffic")
    await asyncio.to_thread(pod.send, range(10))
    await agent.reported.until_state("Capturing")

    await asyncio.to_thread(shutil.rmtree, agent.root)
    agent.apply(capture(generation=2))
    await agent.reported.until_state("Error")
    await agent.reported.until_state("Capturing")

    assert agent.file(pod.interface).exists()
