"""Filters that were accepted are filters that the kernel takes."""

import random
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from apiserver.pcap.assembly import assemble
from apiserver.pcap.compiler import FilterCompiler
from apiserver.pcap.expressions import (
    FilterError,
    compile_strictly,
    dead_handle,
    largest_programs,
)
from apiserver.pcap.memory import kernel_bytes
from apiserver.resource.filters import Alternative, PacketFilter
from apiserver.resource.types import Direction
from nodeagent.libpcap.errors import NothingPassesError
from nodeagent.libpcap.handle import LiveHandle
from nodeagent.libpcap.socketfilter import Attachment
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

    assert handle.listen(handle.compile(packet_filter)) is Attachment.AT_ONCE


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
        pytest.param(" or ".join(f"vlan {n}" for n in range(1, 300)), id="tags"),
        pytest.param(
            " or ".join(f"(vlan and tcp port {n})" for n in range(1, 300)), id="ports behind tags"
        ),
        pytest.param(
            "(vlan or ip) and " + " or ".join(f"not tcp port {n}" for n in range(1, 300)),
            id="ports behind one tag",
        ),
        pytest.param(
            "vlan and ip6 or " + " or ".join(f"ip6 host fd00::{n:x}" for n in range(1, 300)),
            id="addresses behind a tag",
        ),
    ],
)
async def test_the_kernel_has_the_memory_for_the_longest_that_is_accepted(handle, text):
    longest = await accepted(text, " or ")

    filter_of_it = handle.compile(PacketFilter((Alternative(expression=longest),)))
    assert handle.listen(filter_of_it) is Attachment.AT_ONCE


WORDS = (
    *(
        "tcp",
        "udp",
        "ip",
        "ip6",
        "arp",
        "icmp",
        "sctp",
        "proto 47",
        "atalk",
        "llc",
        "ether broadcast",
    ),
    *("vlan", "vlan 5", "vlan 100", "not vlan", "mpls", "pppoes", "geneve", "less 100"),
    *("port 80", "tcp port 443", "portrange 10-20", "host 10.0.0.1", "net 10.0.0.0/8"),
    *("ip6 host fd00::1", "tcp[13] & 2 != 0", "ip[8] < 5", "ip6[6] = 6", "ether[20:4] = 7"),
    "ip[((((((((((((2*ip[3])+1)*2)+1)*2)+1)*2)+1)*2)+1)*2)+1):2] = 1",
)


def any_expression(chance: random.Random, depth: int) -> str:
    """Return an expression of some words, with `vlan` here and there."""
    if depth == 0 or chance.random() < 0.15:
        return chance.choice(WORDS)
    first, second = (any_expression(chance, depth - 1) for _ in range(2))
    negation, operation = chance.choice(["", "", "", "not "]), chance.choice(["and", "or"])
    return f"{negation}({first} {operation} {second})"


@pytest.mark.parametrize("seed", range(4))
async def test_the_kernel_takes_whatever_was_accepted_of_tags(handle, seed):
    chance = random.Random(seed)
    attached = 0

    async with FilterCompiler() as compiler:
        for _ in range(150):
            text = f"{any_expression(chance, 5)} {chance.choice(['and', 'or'])} vlan 7"
            wanted = PacketFilter((Alternative(expression=text),), headers_only=True)
            try:
                await compiler.check(wanted, deadline_seconds=30.0)
            except FilterError:
                continue
            with suppress(NothingPassesError):
                attachment = handle.exchange(handle.compile(wanted))
                assert attachment is Attachment.AT_ONCE, text
                attached += 1

    assert attached > 30


async def test_no_program_on_a_link_is_longer_than_was_allowed_for(handle):
    chance = random.Random(4)
    compared = 0

    with dead_handle() as dead:
        for _ in range(400):
            rule = Alternative(expression=f"vlan 5 or {any_expression(chance, 4)}")
            try:
                programs = compile_strictly(dead, [rule.texts])
                largest = largest_programs(dead, rule.texts, programs)
            except FilterError:
                continue
            bound = assemble(PacketFilter((rule,)), {rule.text: largest}, outgoing_is=Direction.IN)
            live = handle.compile(PacketFilter((rule,))).code
            assert len(live) <= len(bound), rule.expression
            assert kernel_bytes(live) <= kernel_bytes(bound), rule.expression
            compared += 1

    assert compared > 100


async def test_what_the_kernel_has_no_memory_for_is_refused_with_the_number():
    hosts = " or ".join(f"ip6 host fd00::{number:x}" for number in range(1, 210))

    async with FilterCompiler() as compiler:
        with pytest.raises(FilterError, match=r"bytes of the kernel's memory of at most 131072"):
            await compiler.check(
                PacketFilter((Alternative(expression=hosts),)), deadline_seconds=30.0
            )
