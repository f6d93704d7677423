import asyncio
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from apiserver.cluster.certificatefiles import following_certificate_files
from apiserver.pki import Identity, issue, new_authority
from apiserver.serving.tls import PemPair, TLSFiles

DAY = timedelta(days=1)


@pytest.fixture
def issued(time):
    authority = new_authority("test", now=time.now, lifetime=100 * DAY)

    def pair(lifetime=DAY):
        return issue(authority, Identity("x"), now=time.now, lifetime=lifetime)

    return pair


@pytest.fixture
def files(tmp_path):
    return TLSFiles(tmp_path / "tls.crt", tmp_path / "tls.key")


async def write(files, pair):
    await asyncio.to_thread(files.certificate.write_bytes, pair.certificate)
    await asyncio.to_thread(files.key.write_bytes, pair.key)


@pytest.fixture
def following(files, time):
    return lambda: following_certificate_files(files, timing=time.timing)


async def test_the_files_are_read_and_read_again(files, following, issued, fine):
    first, second = issued(), issued()
    await write(files, first)
    async with following() as certificate:
        assert await certificate.pairs.next_after(None) == first
        await fine(certificate)

        await write(files, second)

        assert await certificate.pairs.next_after(first) == second


async def test_files_that_come_later_are_taken(files, following, issued, until, fine):
    async with following() as certificate:
        await until(certificate, lambda state: "No such file" in state.problem)

        await write(files, issued())

        await fine(certificate)


async def test_half_of_a_new_pair_is_not_taken(files, following, issued, until, fine):
    first, second = issued(), issued()
    await write(files, first)
    async with following() as certificate:
        await fine(certificate)

        await asyncio.to_thread(files.certificate.write_bytes, second.certificate)
        state = await until(certificate, lambda state: "is not the certificate's" in state.warning)
        assert not state.problem
        assert certificate.pairs.value == first

        await asyncio.to_thread(files.key.write_bytes, second.key)
        await fine(certificate)
        assert certificate.pairs.value == second


async def test_a_volume_that_is_swapped_is_seen(tmp_path, following, issued, fine):
    first, second = issued(), issued()
    for version, pair in (("v1", first), ("v2", second)):
        (tmp_path / version).mkdir()
        await write(TLSFiles(tmp_path / version / "tls.crt", tmp_path / version / "tls.key"), pair)
    (tmp_path / "..data").symlink_to("v1")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    async with following() as certificate:
        assert await certificate.pairs.next_after(None) == first
        await fine(certificate)

        (tmp_path / "..data_tmp").symlink_to("v2")
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")

        assert await certificate.pairs.next_after(first) == second


async def test_what_no_event_tells_of_is_seen_by_the_slow_check(
    tmp_path, time, issued, until, fine
):
    files = TLSFiles(tmp_path / "later" / "tls.crt", tmp_path / "later" / "tls.key")
    async with following_certificate_files(files, timing=time.timing) as certificate:
        await until(certificate, lambda state: state.problem)

        (tmp_path / "later").mkdir()
        await write(files, issued())
        await time.advance(timedelta(minutes=1))

        await fine(certificate)


async def test_an_expired_certificate_is_used_and_complained_about(
    files, following, issued, until, time
):
    pair = issued()
    await write(files, pair)
    time.now += 2 * DAY
    async with following() as certificate:
        state = await until(certificate, lambda state: state.problem)

        assert "ended at 2026-01-03 12:00:00 UTC and has to be renewed" in state.problem
        assert certificate.pairs.value == pair


async def test_one_that_ends_while_it_is_used_is_complained_about(
    files, following, issued, until, fine, time
):
    await write(files, issued())
    async with following() as certificate:
        await fine(certificate)

        await time.advance(2 * DAY)

        await until(certificate, lambda state: "ended at" in state.problem)


async def test_one_that_is_not_valid_yet_is_complained_about(
    files, following, issued, until, time
):
    await write(files, issued())
    time.now -= DAY
    async with following() as certificate:
        await until(certificate, lambda state: "this clock is wrong" in state.problem)


async def test_a_key_that_tls_finds_too_weak_is_not_taken(files, following, time, until):
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    weak = (
        x509.CertificateBuilder(name, name, key.public_key())
        .serial_number(1)
        .not_valid_before(time.now)
        .not_valid_after(time.now + DAY)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    await write(files, PemPair(weak.public_bytes(serialization.Encoding.PEM), private))

    async with following() as certificate:
        await until(certificate, lambda state: "too small" in state.problem)

    assert certificate.pairs.value is None
