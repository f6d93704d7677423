import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from apiserver.pcap.child import CompilerError
from apiserver.pcap.compiler import CompilerBusyError, FilterCompiler
from apiserver.pcap.program import FilterError
from apiserver.resource.filters import CAPTURE_ALL, Alternative, PacketFilter
from tests.support.filters import pcap_filter

GENEROUS_SECONDS = 30.0

# Takes libpcap minutes.
ENDLESS = " or ".join(f"portrange {port}-{port + 1}" for port in range(1000, 3100, 3))


def children() -> set[str]:
    """Return the process ids of this process's children that still run."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that ended meanwhile
            found |= set((task / "children").read_text().split())
    return found


async def test_an_expression_is_compiled_in_another_process(compiler):
    before = children()

    length = await compiler.check(pcap_filter("tcp port 80"), deadline_seconds=GENEROUS_SECONDS)

    assert 1 < length < 30
    assert len(children() - before) == 1


async def test_rules_without_an_expression_need_no_other_process(compiler):
    before = children()

    # No time at all: whatever another process had to compile would fail.
    tcp = await compiler.check(PacketFilter((Alternative(6),)), deadline_seconds=0.0)

    assert await compiler.check(CAPTURE_ALL, deadline_seconds=0.0) == 1 < tcp
    assert children() == before


async def test_the_alternative_at_fault_is_named(compiler):
    wanted = PacketFilter(
        (Alternative(6), Alternative(expression="udp"), Alternative(expression="udp or udp port"))
    )

    with pytest.raises(FilterError, match="syntax error") as caught:
        await compiler.check(wanted, deadline_seconds=GENEROUS_SECONDS)

    assert caught.value.alternative == 2


async def test_what_libpcap_says_is_passed_on(compiler):
    with pytest.raises(FilterError) as caught:
        await compiler.check(pcap_filter("tcp port port 80"), deadline_seconds=GENEROUS_SECONDS)

    assert "syntax error" in caught.value.message


async def test_a_filter_that_is_far_too_long_is_told_so(compiler):
    with pytest.raises(FilterError, match="more than 16384 bytes together"):
        await compiler.check(pcap_filter("tcp or " * 100_000), deadline_seconds=GENEROUS_SECONDS)


@pytest.mark.parametrize("text", ["host localhost", "port domain", "net loopback"])
async def test_a_name_never_reaches_libpcap(compiler, text):
    with pytest.raises(FilterError, match="names are not looked up"):
        await compiler.check(pcap_filter(text), deadline_seconds=GENEROUS_SECONDS)


async def test_a_filter_that_takes_too_long_is_too_complex_and_leaves_no_process(compiler):
    before = children()

    with pytest.raises(FilterError, match=r"too complex: .* more than 0.5 seconds"):
        await compiler.check(pcap_filter(ENDLESS), deadline_seconds=0.5)

    assert children() <= before


async def test_a_filter_that_took_too_long_is_not_tried_again_for_a_while(compiler):
    loop = asyncio.get_running_loop()
    with pytest.raises(FilterError):
        await compiler.check(pcap_filter(ENDLESS), deadline_seconds=0.3)
    before = loop.time()

    with pytest.raises(FilterError, match="too complex"):
        await compiler.check(pcap_filter(ENDLESS), deadline_seconds=GENEROUS_SECONDS)

    assert loop.time() - before < 1


async def test_a_filter_that_took_too_long_is_tried_again_later(compiler, monkeypatch):
    with pytest.raises(FilterError):
        await compiler.check(pcap_filter("tcp port 80"), deadline_seconds=0.0)
    later = asyncio.get_running_loop().time() + 60
    monkeypatch.setattr("apiserver.pcap.compiler._now", lambda: later)

    assert await compiler.check(pcap_filter("tcp port 80"), deadline_seconds=GENEROUS_SECONDS)


async def test_others_that_take_long_keep_nobody_waiting_for_longer_than_is_said():
    async with FilterCompiler(concurrency=1, wait_seconds=0.1) as compiler:
        async with asyncio.TaskGroup() as group:
            long = group.create_task(
                compiler.check(pcap_filter(ENDLESS), deadline_seconds=GENEROUS_SECONDS)
            )
            await asyncio.sleep(0)

            with pytest.raises(CompilerBusyError):
                await compiler.check(pcap_filter("tcp"), deadline_seconds=GENEROUS_SECONDS)
            long.cancel()

        assert await compiler.check(pcap_filter("tcp"), deadline_seconds=GENEROUS_SECONDS)


@pytest.mark.parametrize(
    ("expression", "advice"),
    [
        pytest.param("tcp and vlan", "; write vlan first: ", id="vlan last"),
        pytest.param("(tcp port 80) and (vlan 5)", "; write vlan first: ", id="in brackets"),
        pytest.param("ip and mpls", "; write mpls first: ", id="another header"),
        pytest.param("(vlan and tcp) and udp", "", id="vlan first"),
        pytest.param("tcp and udp", "", id="none"),
    ],
)
async def test_who_asks_for_a_tag_too_late_is_told_to_ask_first(compiler, expression, advice):
    with pytest.raises(FilterError) as caught:
        await compiler.check(pcap_filter(expression), deadline_seconds=GENEROUS_SECONDS)

    said = caught.value.message.removeprefix("expression rejects all packets")
    assert said.startswith(advice)
    assert bool(said) is bool(advice)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        pytest.param(
            " or ".join(f"(vlan and tcp port {number})" for number in range(1, 101)),
            r"as it has the word vlan, it may take up to \d+ instructions of at most 4000",
            id="instructions",
        ),
        pytest.param(
            f"vlan and ({' or '.join(f'ip6 host fd00::{n:x}' for n in range(1, 50))})",
            r"as it has the word vlan, it may take up to \d+ bytes of the kernel's memory",
            id="memory",
        ),
    ],
)
async def test_what_a_live_handle_may_have_no_room_for_is_refused(compiler, expression, reason):
    with pytest.raises(FilterError, match=reason):
        await compiler.check(pcap_filter(expression), deadline_seconds=GENEROUS_SECONDS)


async def test_a_caller_that_goes_leaves_no_process(compiler):
    before = children()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await compiler.check(pcap_filter(ENDLESS), deadline_seconds=GENEROUS_SECONDS)

    assert children() <= before


async def test_more_filters_than_slots_are_all_compiled():
    async with FilterCompiler(concurrency=1) as compiler, asyncio.TaskGroup() as group:
        checks = [
            group.create_task(
                compiler.check(pcap_filter(f"tcp port {port}"), deadline_seconds=GENEROUS_SECONDS)
            )
            for port in range(1, 6)
        ]

    assert len({check.result() for check in checks}) == 1


async def test_a_compiler_that_fails_says_nothing_about_the_filter(compiler, monkeypatch):
    monkeypatch.setattr("sys.executable", "/bin/false")

    with pytest.raises(CompilerError) as caught:
        await compiler.check(pcap_filter("tcp"), deadline_seconds=GENEROUS_SECONDS)

    assert caught.value.status == os.EX_OK + 1


async def test_one_process_compiles_many_filters_and_ends_with_its_owner():
    before = children()

    async with FilterCompiler(concurrency=1) as compiler:
        for port in (80, 443):
            await compiler.check(
                pcap_filter(f"tcp port {port}"), deadline_seconds=GENEROUS_SECONDS
            )
            with pytest.raises(FilterError):
                await compiler.check(
                    pcap_filter(f"tcp prot {port}"), deadline_seconds=GENEROUS_SECONDS
                )
        assert len(children() - before) == 1

    assert children() <= before


async def test_a_filter_that_is_known_is_not_compiled_again(compiler):
    known = await compiler.check(pcap_filter("tcp port 80"), deadline_seconds=GENEROUS_SECONDS)

    # No time at all: whatever had to be compiled would fail.
    assert await compiler.check(pcap_filter("tcp port 80"), deadline_seconds=0.0) == known


async def test_a_process_that_was_killed_by_others_is_replaced(compiler):
    before = children()
    await compiler.check(pcap_filter("tcp port 80"), deadline_seconds=GENEROUS_SECONDS)
    (process,) = children() - before
    os.kill(int(process), signal.SIGKILL)

    assert await compiler.check(pcap_filter("tcp port 81"), deadline_seconds=GENEROUS_SECONDS)


async def test_tunnels_behind_tags_that_a_live_handle_has_no_registers_for_are_refused(compiler):
    tunnels = " and ".join(["geneve"] * 5)
    await compiler.check(pcap_filter(tunnels), deadline_seconds=GENEROUS_SECONDS)

    with pytest.raises(FilterError, match="too many registers"):
        await compiler.check(pcap_filter(f"vlan or {tunnels}"), deadline_seconds=GENEROUS_SECONDS)
