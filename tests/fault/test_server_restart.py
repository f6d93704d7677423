"""What a restart of the API server leaves: everything."""

import signal

import pytest

from tests.support.client import Client, capture, collection
from tests.support.server import install, serving
from tests.support.session import open_session


@pytest.fixture
def installation(tmp_path):
    return install(tmp_path)


@pytest.fixture
async def client(installation):
    async with open_session() as session:
        tls = installation.client(installation.layout.admin)
        yield lambda server: Client(session, server.url, tls)


async def test_objects_versions_and_watches_go_on_after_a_restart(installation, client):
    with serving(installation) as server:
        made = (await client(server).create("shop", capture())).json
        changed = (
            await client(server).patch(
                collection("shop", "http"), {"spec": {"selector": "has(a)"}}
            )
        ).json
        listed = (await client(server).get(collection())).json

    with serving(installation) as server:
        again = (await client(server).get(collection())).json
        version = made["metadata"]["resourceVersion"]
        async with client(server).watch(collection(), resourceVersion=version) as watch:
            missed = await watch.next()
        new = (await client(server).create("shop", capture("new"))).json

    assert again == listed
    assert missed == {"type": "MODIFIED", "object": changed}
    assert int(new["metadata"]["resourceVersion"]) > int(changed["metadata"]["resourceVersion"])


async def test_what_was_answered_survives_kill_9(installation, client):
    with serving(installation) as server:
        for number in range(20):
            answer = await client(server).create("shop", capture(f"c{number}"))
            assert answer.code == 201
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(10)

    with serving(installation) as server:
        listed = (await client(server).get(collection("shop"))).json

    assert len(listed["items"]) == 20


async def test_open_watches_end_cleanly_when_the_server_is_told_to_end(installation, client):
    with serving(installation) as server:
        async with client(server).watch(collection()) as watch:
            server.process.send_signal(signal.SIGTERM)

            assert await watch.next() is None
        assert server.process.wait(10) == 0


def test_a_second_server_on_the_same_data_says_why_it_cannot(installation):
    with (
        serving(installation),
        pytest.raises(AssertionError, match="status 1"),
        serving(installation),
    ):
        pass
