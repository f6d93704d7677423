"""What is counted of requests, and who may read it."""

import asyncio
import socket

import pytest

from apiserver.server.authmetrics import ReviewMetrics
from apiserver.storage.interface import StoreUnavailableError
from tests.support.door import COLLECTION, WATCH, Stuck, World, stream

SERIES = {"group": "projectcalico.org", "version": "v3", "resource": "packetcaptures"}


async def test_a_watch_is_counted_once_at_its_end_and_its_events_as_they_are_sent():
    world = World(handler=stream)
    async with world.serve() as client:
        await client.ask(WATCH)
        await client.ask(WATCH, user="bob@example.org")

    labels = {**SERIES, "verb": "WATCH", "scope": "namespace", "component": "apiserver"}
    assert world.value("apiserver_request_total", **labels, code="200", dry_run="") == 2
    assert world.value("apiserver_request_duration_seconds_count", **labels) == 2
    assert world.value("apiserver_request_sli_duration_seconds_count", **labels) == 0
    assert world.value("apiserver_watch_events_total", **SERIES) == 4
    assert world.value("apiserver_watch_events_sizes_sum", **SERIES) == 16
    assert world.value("authenticated_user_requests", username="email_id") == 1
    assert world.value("authenticated_user_requests", username="other") == 1


async def test_a_client_that_goes_away_is_counted_too():
    stuck = Stuck()
    ended = asyncio.Event()

    async def until_gone(call):
        try:
            return await stuck(call)
        finally:
            ended.set()

    world = World(handler=until_gone)
    async with world.serve() as client:
        _, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(
            f"GET {COLLECTION} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer alice\r\n\r\n".encode()
        )
        await stuck.reached.acquire()
        writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
        await ended.wait()
        writer.transport.abort()
        await client.ask("/readyz")

    assert world.value("apiserver_request_total", verb="LIST", code="0") == 1


async def test_who_is_nobody_is_counted_by_why():
    world = World()
    async with world.serve() as client:
        for user in ("", "bad", "alice", "alice"):
            await client.ask(COLLECTION, user=user)
        await client.ask("/readyz", user="")

    counted = {
        each: world.value("authentication_attempts", result=each)
        for each in ("success", "failure", "error")
    }
    assert counted == {"success": 2, "failure": 1, "error": 1}
    assert world.value("authentication_duration_seconds_count") == 4


async def test_metrics_are_for_those_who_may_read_them():
    async def three():
        return 3

    async with World(stored=three).serve() as client:
        codes = [(await client.ask("/metrics", user=user)).status for user in ("", "mallory")]
        page = await client.ask("/metrics")

    assert codes == [401, 403]
    assert page.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = page.text_read.splitlines()
    assert 'apiserver_storage_objects{resource="packetcaptures.projectcalico.org"} 3.0' in lines
    assert (
        'apiserver_resource_objects{group="projectcalico.org",resource="packetcaptures"} 3.0'
        in lines
    )
    assert "_created" not in page.text_read


async def test_a_store_that_cannot_count_says_so():
    async def away():
        raise StoreUnavailableError("the disk is full")

    async with World(stored=away).serve() as client:
        page = await client.ask("/metrics")

    assert 'resource="packetcaptures.projectcalico.org"} -1.0' in page.text_read


BUCKETS = {
    "apiserver_request_duration_seconds": (
        "0.005 0.025 0.05 0.1 0.2 0.4 0.6 0.8 1.0 1.25 1.5 2.0 3.0 4.0 5.0 6.0 8.0 10.0 15.0 20.0 "
        "30.0 45.0 60.0 +Inf"
    ),
    "apiserver_request_sli_duration_seconds": (
        "0.05 0.1 0.2 0.4 0.6 0.8 1.0 1.25 1.5 2.0 3.0 4.0 5.0 6.0 8.0 10.0 15.0 20.0 30.0 45.0 "
        "60.0 +Inf"
    ),
    "apiserver_response_sizes": "1000.0 10000.0 100000.0 1e+06 1e+07 1e+08 1e+09 +Inf",
    "apiserver_watch_events_sizes": (
        "1024.0 2048.0 4096.0 8192.0 16384.0 32768.0 65536.0 131072.0 +Inf"
    ),
    "authentication_duration_seconds": (
        "0.001 0.002 0.004 0.008 0.016 0.032 0.064 0.128 0.256 0.512 1.024 2.048 4.096 8.192 "
        "16.384 +Inf"
    ),
    "apiserver_client_certificate_expiration_seconds": (
        "0.0 1800.0 3600.0 7200.0 21600.0 43200.0 86400.0 172800.0 345600.0 604800.0 2.592e+06 "
        "7.776e+06 1.5552e+07 3.1104e+07 +Inf"
    ),
    "apiserver_delegated_authz_request_duration_seconds": (
        "0.25 0.5 0.7 1.0 1.5 3.0 5.0 10.0 +Inf"
    ),
}


@pytest.mark.parametrize("name", BUCKETS)
async def test_buckets_are_those_of_kube_apiserver(name):
    world = World(handler=stream)
    reviews = ReviewMetrics(world.registry)
    reviews.authorization("201", 0.1)
    async with world.serve() as client:
        await client.ask(COLLECTION)
        await client.ask(WATCH)

    (metric,) = [each for each in world.registry.collect() if each.name == name]
    bounds = [each.labels["le"] for each in metric.samples if each.name.endswith("_bucket")]
    assert list(dict.fromkeys(bounds)) == BUCKETS[name].split()


def test_reviews_are_counted_by_what_became_of_them():
    world = World()
    reviews = ReviewMetrics(world.registry)

    reviews.authentication("201", 0.1)
    reviews.authentication("<error>", 10.0)

    name = "apiserver_delegated_authn_request"
    assert world.value(f"{name}_total", code="201") == 1
    assert world.value(f"{name}_duration_seconds_sum", code="<error>") == 10
    assert world.value("apiserver_delegated_authz_request_total") == 0


def test_a_certificate_is_counted_by_how_long_it_is_still_valid():
    world = World()

    world.metrics.authentication.certificate_shown(1000.0)

    name = "apiserver_client_certificate_expiration_seconds_bucket"
    assert [world.value(name, le=bound) for bound in ("0.0", "1800.0")] == [0, 1]
