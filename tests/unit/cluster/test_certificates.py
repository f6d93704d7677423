from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from apiserver.cluster.authority import Authorities
from apiserver.cluster.certificates import (
    CLIENT_IDENTITY,
    keeping_certificate,
    serving_identity,
)
from apiserver.cluster.latest import Latest
from apiserver.pki import Usage, new_authority

SERVING = serving_identity("packetcapture-apiserver", "packetcapture")


@pytest.fixture
def authorities(time, lifetimes):
    latest: Latest[Authorities] = Latest()
    latest.replace(an_authority(time, lifetimes))
    return latest


def an_authority(time, lifetimes):
    pair = new_authority("test", now=time.now, lifetime=lifetimes.authority)
    return Authorities(pair, time.now + lifetimes.authority, pair.certificate)


@pytest.fixture
def keeping(authorities, time, lifetimes):
    def keep(identity=SERVING, usage=Usage.SERVER, latest=authorities):
        return keeping_certificate(
            identity, usage, latest, lifetimes=lifetimes, timing=time.timing
        )

    return keep


def parsed(pair):
    return x509.load_pem_x509_certificate(pair.certificate)


def usages(pair):
    return list(parsed(pair).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


async def test_the_serving_certificate_names_the_service_as_kube_apiserver_asks_for_it(keeping):
    async with keeping() as certificate:
        pair = await certificate.pairs.next_after(None)

    names = parsed(pair).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [
        "packetcapture-apiserver.packetcapture.svc",
        "packetcapture-apiserver.packetcapture.svc.cluster.local",
        "packetcapture-apiserver.packetcapture",
        "packetcapture-apiserver",
    ]
    assert usages(pair) == [ExtendedKeyUsageOID.SERVER_AUTH]


async def test_the_client_certificate_is_for_a_client_alone(keeping):
    async with keeping(CLIENT_IDENTITY, Usage.CLIENT) as certificate:
        pair = await certificate.pairs.next_after(None)

    assert parsed(pair).subject.rfc4514_string() == "CN=packetcapture-apiserver"
    assert usages(pair) == [ExtendedKeyUsageOID.CLIENT_AUTH]


async def test_it_comes_with_the_authority(keeping, authorities, until):
    later: Latest[Authorities] = Latest()
    async with keeping(latest=later) as certificate:
        await until(certificate, lambda state: "waits for the CA" in state.problem)

        later.replace(authorities.value)

        assert await certificate.pairs.next_after(None)


async def test_it_is_renewed_before_it_ends(keeping, time):
    async with keeping() as certificate:
        first = await certificate.pairs.next_after(None)

        for _ in range(7):
            await time.advance(timedelta(days=1))
        second = await certificate.pairs.next_after(first)

    assert parsed(second).not_valid_after_utc == time.now + timedelta(days=10)


async def test_a_clock_that_is_set_is_noticed_within_a_minute(keeping, time):
    async with keeping() as certificate:
        first = await certificate.pairs.next_after(None)

        time.now += timedelta(days=8)
        await time.advance(timedelta(minutes=1))

        assert await certificate.pairs.next_after(first)


async def test_an_authority_in_the_place_of_another_makes_a_new_one_at_once(
    keeping, authorities, time, lifetimes
):
    async with keeping() as certificate:
        first = await certificate.pairs.next_after(None)

        authorities.replace(an_authority(time, lifetimes))

        assert await certificate.pairs.next_after(first)


async def test_an_authority_that_has_ended_signs_nothing(keeping, until, time, lifetimes):
    async with keeping() as certificate:
        await certificate.pairs.next_after(None)

        await time.advance(lifetimes.authority * 2)

        await until(certificate, lambda state: "waits for the CA" in state.problem)
