"""Filters that were accepted are filters that the kernel takes."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from apiserver.pcap.compiler import FilterCompiler
from apiserver.pcap.expressions import FilterError
from apiserver.resource.filters import Alternative, PacketFilter
from nodeagent.libpcap.handle import LiveHandle
from tests.support.netns import Pod


@pytest.fixture
def handle(pod: Pod) -> Iterator[LiveHandle]:
    with closing(LiveHandle(pod.interface)) as opened:
        yield opened


@pytest.mark.parametrize(
    "expression",
    [
        "geneve or port 80",
        "not geneve and tcp",
        "llc and (geneve or vlan and port 7)",
        "(vlan or pppoes 3) and (proto 47 or atalk)",
    ],
)
@pytest.mark.parametrize("is_alone", [True, False], ids=["alone", "beside others"])
def test_the_kernel_takes_what_is_beside_a_tunnel(handle, expression, is_alone):
    others = () if is_alone else (Alternative(expression="geneve"), Alternative(protocol=6))
    packet_filter = PacketFilter((Alternative(expression=expression), *others), headers_only=True)

    handle.attach(handle.compile(packet_filter))


async def accepted(text: str, unit: str) -> str:
    """Return as much of an expression as is accepted."""
    terms = text.split(unit)
    least, most = 1, len(terms)
    async with FilterCompiler() as compiler:
        while least + 1 < most:
            middle = (least + most) // 2
            packet_filter = PacketFilter((Alternative(expression=unit.join(terms[:middle])),))
            try:
                await compiler.check(packet_filter, deadline_seconds=30.0)
                least = middle
            except FilterError:
                most = middle
    return unit.join(terms[:least])


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(" or ".join(f"ip6 host fd00::{n:x}" for n in range(1, 300)), id="addresses"),
        pytest.param(" or ".join(f"ip[{n}] = {n}" for n in range(20, 1000)), id="loads"),
        pytest.param(" or ".join(f"tcp[{n}] = 1" for n in range(20, 1000)), id="loads behind"),
    ],
)
async def test_the_kernel_has_the_memory_for_the_longest_that_is_accepted(handle, text):
    longest = await accepted(text, " or ")

    handle.attach(handle.compile(PacketFilter((Alternative(expression=longest),))))


async def test_what_the_kernel_has_no_memory_for_is_refused_with_the_number():
    hosts = " or ".join(f"ip6 host fd00::{number:x}" for number in range(1, 210))

    async with FilterCompiler() as compiler:
        with pytest.raises(FilterError, match=r"bytes of the kernel's memory of at most 131072"):
            await compiler.check(
                PacketFilter((Alternative(expression=hosts),)), deadline_seconds=30.0
            )
