import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from apiserver.agentapi.reports import (
    CaptureReport,
    EndpointReport,
    NodeReport,
    Rejected,
    ReportAnswer,
)
from apiserver.upstream.client import ApiStatusError, UnreachableError, open_client
from nodeagent.cluster.reports import (
    REPORTS_PATH,
    Rhythm,
    paginate,
    post_report,
    sending_reports,
)
from tests.fakes.kubernetes_api import KubernetesAPI, Reply, serving, write_kubeconfig

# Heartbeats that never come, where a test is not about them.
QUIET = Rhythm(
    counters_seconds=10, heartbeat_seconds=10**6, full_seconds=300, jitter=lambda _low, high: high
)
BEATING = replace(QUIET, heartbeat_seconds=20)


def a_report(name="a", *, packets=0, state="Capturing", **others):
    endpoint = EndpointReport("pod", "uid-pod", "cali1", state, packets=packets)
    return CaptureReport("shop", name, f"uid-{name}", 1, "/dir", (endpoint,), **others)


class Server:
    """Takes reports, in virtual time, unless it is away."""

    def __init__(self) -> None:
        self.reports: list[NodeReport] = []
        self.times: list[float] = []
        self.attempts = 0
        self.is_away = False
        self.too_large = ""
        self.rejected: tuple[Rejected, ...] = ()
        self._came = asyncio.Event()

    async def take(self, report):
        self.attempts += 1
        self._came.set()
        if self.is_away:
            raise UnreachableError("away")
        if self.too_large in {each.name for each in report.captures}:
            raise ApiStatusError(413, "RequestEntityTooLarge", "limit is 3145728")
        self.reports.append(report)
        self.times.append(asyncio.get_running_loop().time())
        return ReportAnswer(tuple(each.uid for each in report.captures), self.rejected)

    async def until(self, condition):
        async with asyncio.timeout(100_000):
            while not condition():
                self._came.clear()
                await self._came.wait()

    async def until_reports(self, count):
        await self.until(lambda: len(self.reports) >= count)

    @property
    def packets(self):
        return [[each.endpoints[0].packets for each in report.captures] for report in self.reports]


pytestmark = pytest.mark.looptime


@pytest.fixture
async def server():
    return Server()


@asynccontextmanager
async def sending(server, rhythm=QUIET):
    async with sending_reports(server.take, node="n1", boot_id="b1", rhythm=rhythm) as sender:
        yield sender


async def test_the_first_report_is_sent_at_once_and_is_full(server):
    async with sending(server) as sender:
        sender.put(a_report("a"))
        sender.put(a_report("b"))
        await server.until_reports(1)

    report = server.reports[0]
    assert (report.node, report.boot_id, report.sequence, report.full) == ("n1", "b1", 1, True)
    assert [each.name for each in report.captures] == ["a", "b"]
    assert server.times == [0]


async def test_a_changed_state_is_sent_at_once_and_alone(server):
    async with sending(server) as sender:
        sender.put(a_report("a"))
        sender.put(a_report("b"))
        await server.until_reports(1)
        await asyncio.sleep(1)
        sender.put(a_report("b", state="Finished"))
        await server.until_reports(2)

    assert [each.name for each in server.reports[1].captures] == ["b"]
    assert server.reports[1].sequence == 2
    assert not server.reports[1].full
    assert server.times[1] == 1


async def test_counters_wait_for_their_time_and_the_newest_wins(server):
    async with sending(server) as sender:
        sender.put(a_report(packets=1))
        await server.until_reports(1)
        for packets in (2, 3, 4):
            await asyncio.sleep(1)
            sender.put(a_report(packets=packets))
        await server.until_reports(2)

    assert server.packets == [[1], [4]]
    assert server.times == [0, 10]


async def test_packets_that_expire_and_the_time_of_the_last_one_are_counters(server):
    report = a_report()
    (endpoint,) = report.endpoints
    later = replace(
        endpoint,
        expired_packets=1,
        expired_bytes=60,
        last_packet_time="2026-01-02T15:04:05.000000Z",
    )
    async with sending(server) as sender:
        sender.put(report)
        await server.until_reports(1)
        await asyncio.sleep(1)
        sender.put(replace(report, endpoints=(later,), file_names_omitted=3))
        await server.until_reports(2)

    assert server.times == [0, 10]


async def test_counters_after_a_long_silence_are_sent_at_once(server):
    async with sending(server) as sender:
        sender.put(a_report(packets=1))
        await server.until_reports(1)
        await asyncio.sleep(60)
        sender.put(a_report(packets=2))
        await server.until_reports(2)

    assert server.times == [0, 60]


async def test_what_was_told_is_not_told_again_until_the_next_full_report(server):
    async with sending(server) as sender:
        sender.put(a_report())
        await server.until_reports(1)
        sender.put(a_report())
        await server.until_reports(2)

    assert server.times == [0, 300]
    assert server.reports[1].full


async def test_after_a_silence_an_empty_report_says_that_the_node_is_there(server):
    async with sending(server, BEATING) as sender:
        sender.put(a_report(packets=1))
        await server.until_reports(1)
        await asyncio.sleep(15)
        sender.put(a_report(packets=2))
        await server.until_reports(4)

    assert server.times == [0, 15, 35, 55]
    assert server.packets == [[1], [2], [], []]
    assert [each.full for each in server.reports] == [True, False, False, False]


async def test_a_node_that_has_captured_nothing_is_there_and_claims_nothing(server):
    async with sending(server, BEATING) as sender:
        await server.until_reports(2)
        sender.put(a_report())
        await server.until_reports(3)

    assert server.times == [20, 40, 40]
    assert [each.full for each in server.reports] == [False, False, True]


async def test_a_heartbeat_does_not_put_off_counters(server):
    async with sending(server, BEATING) as sender:
        sender.put(a_report(packets=1))
        await server.until_reports(2)
        await asyncio.sleep(1)
        sender.put(a_report(packets=2))
        await server.until_reports(3)

    assert server.times == [0, 20, 21]


def test_heartbeats_of_many_nodes_do_not_fall_together():
    rhythm = Rhythm(heartbeat_seconds=20.0)

    waits = {rhythm.until_heartbeat() for _ in range(100)}

    assert len(waits) > 1
    assert all(16.0 <= each <= 20.0 for each in waits)


async def test_after_a_reconnect_everything_is_told_again(server):
    async with sending(server) as sender:
        sender.put(a_report("a"))
        await server.until_reports(1)
        sender.request_full()
        await server.until_reports(2)

    assert server.reports[1].full
    assert [each.name for each in server.reports[1].captures] == ["a"]
    assert server.times == [0, 0]


async def test_a_node_without_captures_says_so_when_asked(server):
    async with sending(server) as sender:
        sender.request_full()
        await server.until_reports(1)

    assert server.reports[0].full
    assert server.reports[0].captures == ()


async def test_nothing_is_lost_while_the_server_is_away(server):
    server.is_away = True
    async with sending(server) as sender:
        sender.put(a_report("a", packets=1))
        await server.until(lambda: server.attempts == 3)
        sender.put(a_report("a", packets=2, state="Finished"))
        sender.put(a_report("b", packets=5))
        await server.until(lambda: server.attempts == 10)
        server.is_away = False
        await server.until_reports(1)

    assert server.packets == [[2, 5]]
    assert server.reports[0].full


async def test_a_server_that_is_away_is_tried_ever_more_rarely(server):
    server.is_away = True
    async with sending(server) as sender:
        sender.put(a_report())
        await server.until(lambda: server.attempts == 9)

    # 0.5 + 1 + 2 + 4 + 8 + 16 + 30 + 30 seconds of waiting lie between nine attempts.
    assert asyncio.get_running_loop().time() == 91.5


async def test_a_server_that_was_away_for_hours_hears_how_things_are_and_nothing_else(server):
    hours, pause = 6, 5
    server.is_away = True
    async with sending(server, BEATING) as sender:
        for number in range(hours * 3600 // pause):
            state = ("Capturing", "Error")[number % 2]
            sender.put(a_report("a", packets=number))
            sender.put(a_report("b", packets=number, state=state))
            sender.put(a_report(f"deleted-{number}"))
            sender.forget(f"uid-deleted-{number}")
            await asyncio.sleep(pause)
        attempts = server.attempts
        server.is_away = False
        came_back = asyncio.get_running_loop().time()
        await server.until_reports(1)
        await asyncio.sleep(BEATING.counters_seconds - 1)

    # At most one every 30 seconds, but for the first few.
    assert attempts <= hours * 3600 / 30 + 10
    assert server.packets == [[number, number]]
    assert server.reports[0].full
    assert server.times[0] - came_back <= 30


async def test_a_reconnect_ends_the_wait(server):
    server.is_away = True
    async with sending(server) as sender:
        sender.put(a_report())
        await server.until(lambda: server.attempts == 9)
        server.is_away = False
        sender.request_full()
        await server.until_reports(1)

    assert server.times == [91.5]


async def test_a_forgotten_capture_is_not_told_again(server):
    async with sending(server) as sender:
        sender.put(a_report("a"))
        sender.put(a_report("b"))
        await server.until_reports(1)
        sender.forget("uid-a")
        sender.request_full()
        await server.until_reports(2)

    assert [each.name for each in server.reports[1].captures] == ["b"]


async def test_a_rejected_capture_is_not_repeated_before_the_next_full_report(server):
    server.rejected = (Rejected("uid-a", "no such capture"),)
    async with sending(server) as sender:
        sender.put(a_report())
        await server.until_reports(2)

    assert server.times == [0, 300]


async def test_many_captures_are_told_in_pages_of_which_none_claims_to_be_all(server):
    big = a_report(file_names=tuple(f"{i:0100d}.pcap" for i in range(3000)))
    async with sending(server) as sender:
        for i in range(9):
            sender.put(replace(big, uid=f"uid-{i}"))
        await server.until(lambda: sum(len(each.captures) for each in server.reports) == 9)

    assert len(server.reports) == 3
    assert [each.sequence for each in server.reports] == [1, 2, 3]
    assert not any(each.full for each in server.reports)


def test_a_capture_larger_than_a_page_goes_alone():
    small, large = a_report("a"), a_report("b", file_names=("x" * 2000,))

    pages = list(paginate([small, large, small, small], max_bytes=1000))

    assert pages == [(small,), (large,), (small, small)]


async def test_a_report_that_is_too_large_for_the_server_keeps_no_other_from_being_told(server):
    server.too_large = "a"
    names = tuple(f"{'x' * 200}{i}.pcap" for i in range(6000))
    async with sending(server) as sender:
        sender.put(a_report("a", file_names=names))
        sender.put(a_report("b"))
        await server.until_reports(1)
        await asyncio.sleep(60)

    assert [[each.name for each in report.captures] for report in server.reports] == [["b"]]
    assert server.attempts == 2


@pytest.mark.looptime(False)
async def test_a_report_is_a_document_of_our_group(tmp_path):
    api = KubernetesAPI()
    answer = ReportAnswer(("uid-a",), (Rejected("uid-b", "no such capture"),))
    api.creations.append(Reply({"status": answer.to_json()}, 201))
    server = Server()
    async with sending(server) as sender:
        sender.put(a_report())
        await server.until_reports(1)
    report = server.reports[0]

    async with (
        serving(api),
        open_client(write_kubeconfig(tmp_path / "config", api.url)) as client,
    ):
        answered = await post_report(client, report)

    assert answered == answer
    assert api.asked[0].path == REPORTS_PATH
    assert api.asked[0].document["kind"] == "PacketCaptureReport"
    assert api.asked[0].document["spec"] == report.to_json()
