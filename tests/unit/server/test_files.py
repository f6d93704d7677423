"""Limits of the `files` subresource that no single client can show."""

import ssl

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request

from apiserver.agents.client import AgentClient
from apiserver.agents.directory import StaticDirectory
from apiserver.auth.identity import User
from apiserver.server.context import Call
from apiserver.server.files import FileHandlers
from apiserver.server.limits import BusyError, Shares
from apiserver.wire.query import parse_query
from apiserver.wire.request import parse_request
from apiserver.wire.status import ApiError

PATH = "/apis/projectcalico.org/v3/namespaces/shop/packetcaptures/http/files/n1/web.pcap"


def call(path: str) -> Call:
    query = parse_query("")
    return Call(
        make_mocked_request("GET", path), parse_request("GET", path, query), query, User("alice")
    )


@pytest.fixture
async def agents():
    async with aiohttp.ClientSession() as session:
        yield AgentClient(session, StaticDirectory({}), ssl.create_default_context)


async def test_more_downloads_than_are_allowed_are_sent_away(registry, agents):
    downloads = Shares("downloads", total=1, each=0)
    files = FileHandlers(registry, agents, downloads=downloads)

    with downloads.place(User("bob")), pytest.raises(BusyError, match="Too many downloads"):
        await files.get(call(PATH))


async def test_one_users_downloads_leave_room_for_others(registry, agents):
    downloads = Shares("downloads", total=9, each=1)
    files = FileHandlers(registry, agents, downloads=downloads)

    with downloads.place(User("alice")), pytest.raises(BusyError, match='user "alice" has 1 open'):
        await files.get(call(PATH))
    with downloads.place(User("bob")), pytest.raises(ApiError) as caught:
        await files.get(call(PATH))

    assert caught.value.code == 404


async def test_a_download_that_failed_makes_room_for_the_next(registry, agents):
    files = FileHandlers(registry, agents, downloads=Shares("downloads", total=1, each=1))

    codes = []
    for _ in range(3):
        with pytest.raises(ApiError) as caught:
            await files.get(call(PATH))
        codes.append(caught.value.code)

    assert codes == [404, 404, 404]
