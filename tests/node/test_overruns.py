"""Notices that the kernel had to drop, because nobody read them in time: all is read again."""

import asyncio
import os
import secrets
import socket
import subprocess
from pathlib import Path

import pytest
import uvloop

from nodeagent.discovery.cgroups import following_cgroups
from nodeagent.discovery.links import Links, following_links, open_links_socket
from tests.support.crowd import delete_links

UID = "01234567-89ab-cdef-0123-456789abcdef"
OTHER = "fedcba98-7654-3210-fedc-ba9876543210"
# What the kernel queues for one reader of inotify.
QUEUE = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())


@pytest.fixture(params=["asyncio", "uvloop"], ids=str)
def run(request):
    """Run a coroutine function on each loop that the agent may have."""
    return asyncio.run if request.param == "asyncio" else uvloop.run


@pytest.fixture
def tag():
    """The beginning of the names of links, which are removed."""
    made = f"o{secrets.token_hex(3)}"
    yield made
    left = [name for _, name in socket.if_nameindex() if name.startswith(made)]
    delete_links(left)


def batch(changes):
    subprocess.run(["ip", "-batch", "-"], input=changes.encode(), check=True)


def a_storm(tag, rounds):
    """Return changes that end with links 20 to 39 of 40, the even ones up."""
    names = [f"{tag}{number}" for number in range(40)]
    return "\n".join(
        [
            *(f"link add {name} type bridge" for name in names),
            *(
                f"link set {name} {to}"
                for _ in range(rounds)
                for name in names
                for to in ("up", "down")
            ),
            *(f"link set {name} up" for name in names[::2]),
            *(f"link delete {name}" for name in names[:20]),
        ]
    )


async def until_up(links: Links, tag):
    """Wait until the links are known to be as the storm leaves them."""
    wanted = {f"{tag}{number}": number % 2 == 0 for number in range(20, 40)}

    def seen():
        return {name: link.up for name, link in links.current.items() if name.startswith(tag)}

    async with asyncio.timeout(10):
        while seen() != wanted:
            await anext(links)


def test_links_are_right_after_a_storm_that_nobody_read(run, tag, caplog):
    async def scenario():
        async with following_links() as links:
            batch(a_storm(tag, rounds=50))

            await until_up(links, tag)

    run(scenario())

    assert "notices of links were lost, all are read again" in caplog.messages


def test_links_are_right_after_a_storm_that_was_read_through_a_tiny_buffer(run, tag, caplog):
    """Notices are lost again and again, also while all is read again."""

    async def scenario():
        kernel = open_links_socket()
        kernel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        async with following_links(kernel) as links:
            await asyncio.to_thread(batch, a_storm(tag, rounds=25))

            await until_up(links, tag)

    run(scenario())

    assert "notices of links were lost, all are read again" in caplog.messages


def test_cgroups_are_right_after_more_happened_than_is_queued(run, tmp_path, caplog):
    (tmp_path / "cgroup.controllers").write_text("")
    gone = tmp_path / "kubepods" / f"pod{UID}"
    gone.mkdir(parents=True)
    come = tmp_path / "kubepods" / f"pod{OTHER}" / "container"

    async def scenario():
        async with following_cgroups(tmp_path) as tree:
            overrun(gone)
            os.rmdir(gone)
            come.mkdir(parents=True)

            concerned: set[str] = set()
            async with asyncio.timeout(10):
                while tree.directories(UID) or not tree.directories(OTHER):
                    concerned |= await tree.wait()
            assert {UID, OTHER} <= concerned

            (come / "cgroup.procs").write_text("1")
            async with asyncio.timeout(10):
                assert OTHER in await tree.wait()

    run(scenario())

    assert "notices of cgroups were lost, all are read again" in caplog.messages


def overrun(directory):
    """Have more happen in a directory than is queued: two in a row that are alike count once."""
    files = [os.open(directory / name, os.O_CREAT | os.O_WRONLY) for name in "ab"]
    for number in range(QUEUE + 2):
        os.pwrite(files[number % 2], b"x", 0)
    for file, name in zip(files, "ab", strict=True):
        os.close(file)
        os.unlink(directory / name)
