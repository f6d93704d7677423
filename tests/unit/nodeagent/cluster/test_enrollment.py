import asyncio
import base64
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from apiserver.serving.tls import PemPair
from apiserver.upstream.client import open_client
from nodeagent.cluster.enrollment import Rhythm, keeping_certificate
from nodeagent.cluster.signingrequest import REQUESTS_PATH
from tests.fakes.cluster_api import ClusterAPI, serving
from tests.fakes.kubernetes_api import write_kubeconfig
from tests.fakes.signer import Signer, a_ca, bundle_of

NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Time:
    """A clock that stands, and waits that end when a test says so, or with their event."""

    def __init__(self):
        self.now = NOW
        self.waits: asyncio.Queue[tuple[float, asyncio.Event]] = asyncio.Queue()

    def read(self):
        return self.now

    async def wait(self, event, seconds):
        self.waits.put_nowait((seconds, event))
        await event.wait()

    async def next_wait(self):
        """Return how long the agent waits now, and what would end that."""
        async with asyncio.timeout(10):
            return await self.waits.get()


class Enrolling:
    """An agent's enrolment, and the certificates that it gave out."""

    def __init__(self):
        self.time = Time()
        self.enrollment = None
        self.issued: asyncio.Queue[PemPair] = asyncio.Queue()

    async def next_chain(self):
        async with asyncio.timeout(10):
            return (await self.issued.get()).certificate

    async def end_wait(self):
        seconds, event = await self.time.next_wait()
        event.set()
        return seconds


@pytest.fixture
async def api():
    async with serving(ClusterAPI()) as running:
        yield running


@pytest.fixture
def signer(api):
    return Signer(api, NOW)


@pytest.fixture
def enrolling(api, tmp_path):
    @asynccontextmanager
    async def enroll():
        told = Enrolling()
        rhythm = Rhythm(told.time.read, lambda low, _: low, told.time.wait)
        async with (
            open_client(write_kubeconfig(tmp_path / "config", api.url)) as client,
            keeping_certificate(
                client, "n1", issued=told.issued.put_nowait, rhythm=rhythm
            ) as told.enrollment,
        ):
            yield told

    return enroll


async def test_a_certificate_is_asked_for_from_our_signer_for_serving(enrolling, signer):
    async with enrolling():
        request = await signer.request()

    spec = request["spec"]
    assert request["metadata"]["name"].startswith("packetcapture-agent-")
    assert spec["signerName"] == "projectcalico.org/packetcapture-agent"
    assert spec["usages"] == ["digital signature", "server auth"]
    assert base64.b64decode(spec["request"]).startswith(b"-----BEGIN CERTIFICATE REQUEST-----")
    assert set(spec) == {"signerName", "usages", "request"}


async def test_what_is_signed_is_given_out(enrolling, signer):
    async with enrolling() as told:
        request = await signer.request()
        name = request["metadata"]["name"]
        assert told.enrollment.problem in {
            f"certificate request {name} is not signed yet",
            "no certificate has been asked for yet",
        }
        chain = await signer.sign(request)

        assert await told.next_chain() == chain
        assert told.enrollment.problem == ""


async def test_a_request_is_waited_for_while_the_api_goes_and_comes(enrolling, signer, api):
    async with enrolling() as told:
        request = await signer.request()
        await api.go_out()
        api.come_back()
        chain = await signer.sign(request)

        assert await told.next_chain() == chain
    assert len(signer.requests) == 1


@pytest.mark.parametrize("verdict", ["Denied", "Failed"])
async def test_a_refusal_is_said_and_another_request_made_later(
    enrolling, signer, caplog, verdict
):
    async with enrolling() as told:
        await signer.turn_down(await signer.request(), verdict, "the token is of node n2")
        seconds = await told.end_wait()
        problem = told.enrollment.problem
        chain = await signer.sign(await signer.request(number=2))

        assert await told.next_chain() == chain
    assert f"{verdict}, NotThisNode: the token is of node n2" in problem
    assert problem in [getattr(each, "problem", "") for each in caplog.records]
    assert seconds == 0.5


async def test_refusals_that_go_on_are_answered_with_longer_waits(enrolling, signer):
    async with enrolling() as told:
        waits = []
        for number in range(1, 11):
            await signer.turn_down(await signer.request(number=number), "Denied", "no")
            waits.append(await told.end_wait())

    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30]


async def test_a_request_that_is_deleted_is_made_again(enrolling, signer):
    async with enrolling() as told:
        await signer.delete(await signer.request())
        await told.end_wait()

        assert "was deleted" in told.enrollment.problem
        await signer.request()


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        pytest.param({"certificate": "AAAA"}, "unfit: it cannot be read", id="no certificate"),
        pytest.param(
            {"certificate": "!"}, "certificate is not Base64", id="certificate is not Base64"
        ),
        pytest.param(
            {"certificate": base64.b64encode(a_ca("x", now=NOW).certificate).decode()},
            "it is for another key; it is not for the name n1.packetcapture-agent",
            id="another's",
        ),
    ],
)
async def test_an_unfit_certificate_is_not_used(enrolling, signer, status, problem):
    async with enrolling() as told:
        await signer.answer(await signer.request(), status)
        await told.end_wait()

        assert problem in told.enrollment.problem
        chain = await signer.sign(await signer.request(number=2))
        assert await told.next_chain() == chain


async def test_a_request_that_cannot_be_made_is_made_later(enrolling, signer, api):
    api.refusals["POST", REQUESTS_PATH] = (403, "Forbidden")
    async with enrolling() as told:
        await told.end_wait()
        assert "403 Forbidden" in told.enrollment.problem
        api.refusals.clear()

        await signer.request()


async def test_renewal_comes_after_most_of_the_lifetime_and_the_old_one_serves_until_then(
    enrolling, signer
):
    async with enrolling() as told:
        first = await signer.sign(await signer.request(), lifetime=timedelta(seconds=60))
        assert await told.next_chain() == first
        seconds, event = await told.time.next_wait()
        told.time.now += timedelta(seconds=seconds)
        event.set()
        request = await signer.request(number=2)
        assert (told.issued.empty(), told.enrollment.problem) == (True, "")
        second = await signer.sign(request)

        assert await told.next_chain() == second
    assert seconds == pytest.approx(36, abs=1)


async def test_a_long_wait_is_cut_so_that_a_stepped_clock_is_seen(enrolling, signer):
    async with enrolling() as told:
        await signer.sign(await signer.request())
        assert await told.end_wait() == 600
        _, event = await told.time.next_wait()
        told.time.now += 7 * HOUR
        event.set()

        await signer.request(number=2)


async def test_a_certificate_is_renewed_when_its_ca_leaves_the_bundle(enrolling, signer):
    async with enrolling() as told:
        old = signer.authority
        told.enrollment.trust(bundle_of(old))
        await signer.sign(await signer.request())
        await told.next_chain()
        await told.time.next_wait()
        signer.authority = a_ca("second", now=NOW)
        told.enrollment.trust(bundle_of(signer.authority, old))
        await told.time.next_wait()
        assert len(signer.requests) == 1
        told.enrollment.trust(bundle_of(signer.authority))
        chain = await signer.sign(await signer.request(number=2))

        assert await told.next_chain() == chain


async def test_a_certificate_of_a_ca_that_is_not_published_yet_is_no_reason_to_hurry(
    enrolling, signer
):
    async with enrolling() as told:
        told.enrollment.trust(bundle_of(a_ca("another", now=NOW)))
        chain = await signer.sign(await signer.request())
        assert await told.next_chain() == chain
        assert (await told.time.next_wait())[0] == 0.5
        told.enrollment.trust(signer.bundle)

        assert (await told.time.next_wait())[0] == 600
    assert len(signer.requests) == 1


async def test_a_certificate_that_does_not_fit_the_clock_is_used_for_lack_of_a_better(
    enrolling, signer, caplog
):
    signer.now = NOW - 24 * HOUR
    async with enrolling() as told:
        over = await signer.sign(await signer.request())
        assert await told.next_chain() == over
        assert "clock of this node" in told.enrollment.problem
        assert "certificate is not valid by the clock" in caplog.text
        await told.end_wait()
        signer.now = NOW
        good = await signer.sign(await signer.request(number=2))

        assert await told.next_chain() == good
        assert told.enrollment.problem == ""


async def test_a_certificate_that_is_worse_than_the_present_one_is_not_used(enrolling, signer):
    async with enrolling() as told:
        first = await signer.sign(await signer.request())
        assert await told.next_chain() == first
        _, event = await told.time.next_wait()
        told.time.now += 7 * HOUR
        event.set()
        signer.now = NOW - 24 * HOUR
        await signer.sign(await signer.request(number=2))
        await told.end_wait()
        signer.now = told.time.now
        third = await signer.sign(await signer.request(number=3))

        assert await told.next_chain() == third
