import asyncio
import secrets
import socket
import subprocess

import pytest
import uvloop

from nodeagent.discovery.link import Link
from nodeagent.discovery.links import Links, following_links


@pytest.fixture(params=["asyncio", "uvloop"], ids=str)
def run(request):
    """Run a coroutine function on each loop that the agent may have."""
    return asyncio.run if request.param == "asyncio" else uvloop.run


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def pair():
    """Two ends of a veth, down."""
    stem = f"t{secrets.token_hex(4)}"
    names = (f"{stem}a", f"{stem}b")
    ip("link", "add", names[0], "type", "veth", "peer", "name", names[1])
    yield names
    subprocess.run(["ip", "link", "del", names[0]], check=False, capture_output=True)


async def off_the_loop(*arguments):
    await asyncio.to_thread(ip, *arguments)


async def until(links: Links, condition):
    async with asyncio.timeout(10):
        async for current in links:
            if condition(current):
                return current
    raise AssertionError


def stand_still(changes):
    """Make changes while the loop cannot read of them."""
    subprocess.run(["ip", "-batch", "-"], input=changes.encode(), check=True, capture_output=True)


def index_of(name):
    return socket.if_nametoindex(name)


def test_what_is_there_is_known_at_once(run, pair):
    async def scenario():
        async with following_links() as links:
            assert links.current[pair[0]] == Link(
                pair[0], index_of(pair[0]), up=False, kind="veth"
            )
            assert links.current["lo"].index == 1
            assert await anext(links) == links.current

    run(scenario())


def test_a_link_that_comes_and_goes_is_told(run, pair):
    name = f"{pair[0]}x"

    async def scenario():
        async with following_links() as links:
            await off_the_loop("link", "add", name, "type", "bridge")
            found = await until(links, lambda current: name in current)
            assert found[name].index == index_of(name)

            await off_the_loop("link", "del", name)
            await until(links, lambda current: name not in current)

    run(scenario())


def test_up_and_down_and_a_new_name_are_told(run, pair):
    name = f"{pair[0]}n"

    async def scenario():
        async with following_links() as links:
            await off_the_loop("link", "set", pair[0], "up")
            await until(links, lambda current: current[pair[0]].up)

            await off_the_loop("link", "set", pair[0], "down")
            await until(links, lambda current: not current[pair[0]].up)

            index = links.current[pair[0]].index
            await off_the_loop("link", "set", pair[0], "name", name)
            renamed = await until(links, lambda current: name in current)
            assert renamed[name].index == index
            assert pair[0] not in renamed
            await off_the_loop("link", "set", name, "name", pair[0])

    run(scenario())


def test_a_link_made_anew_has_another_index(run, pair):
    async def scenario():
        async with following_links() as links:
            before = links.current[pair[0]].index
            await off_the_loop("link", "del", pair[0])
            await off_the_loop("link", "add", *pair[:1], "type", "veth", "peer", "name", pair[1])
            await until(
                links, lambda current: pair[0] in current and current[pair[0]].index != before
            )

    run(scenario())


def test_leaving_a_bridge_is_not_the_end_of_a_link(run, pair):
    bridge = f"{pair[0]}r"

    async def scenario():
        async with following_links() as links:
            stand_still(
                f"link add {bridge} type bridge\n"
                f"link set {pair[0]} master {bridge}\n"
                f"link set {pair[0]} nomaster\n"
                f"link add {bridge}z type bridge\n"
            )

            seen = await until(links, lambda current: f"{bridge}z" in current)
            stand_still(f"link del {bridge}\nlink del {bridge}z\n")

            assert pair[0] in seen

    run(scenario())


def test_lost_notices_are_made_up_for(run, pair, caplog):
    """The loop stands still while more happens than the socket holds."""
    name = f"{pair[0]}z"
    changes = "\n".join(
        [
            *(f"link set {pair[0]} {state}" for _ in range(1500) for state in ("up", "down")),
            f"link add {name} type bridge",
        ]
    )

    async def scenario():
        caplog.set_level("INFO")
        async with following_links() as links:
            stand_still(changes)
            await until(links, lambda current: name in current)

            await off_the_loop("link", "del", name)
            await until(links, lambda current: name not in current)

    run(scenario())

    assert "notices of links were lost" in caplog.text
