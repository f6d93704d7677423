from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.cluster.authority import (
    Authorities,
    Authority,
    BrokenSecretError,
    Lifetimes,
    add_authority,
    in_force,
    next_change,
    parse_secret,
    plan,
    render_secret,
    tells,
)
from apiserver.cluster.certificates import must_issue
from apiserver.jsontypes import JsonObject
from apiserver.pki import (
    Certificate,
    Identity,
    Usage,
    is_signed_by,
    issue,
    new_authority,
    read_certificates,
)
from apiserver.serving.tls import PemPair

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
LIFETIMES = Lifetimes(authority=80 * HOUR, certificate=10 * HOUR)


def made(at=NOW, known=()):
    return add_authority(known, now=at, lifetimes=LIFETIMES)


def two():
    return made(NOW + 40 * HOUR, made())


def leaf_of(pair: PemPair) -> Certificate:
    return read_certificates(issue(pair, Identity("x"), now=NOW, lifetime=HOUR).certificate)[0]


def signs(authorities: Authorities | None, authority: Authority) -> bool:
    return authorities is not None and authorities.signing.key == authority.key


def test_what_is_written_is_read_again_newest_first():
    older, newer = made(), made(NOW + 40 * HOUR)

    assert parse_secret({"data": render_secret((*older, *newer))}) == (*newer, *older)


def test_a_secret_that_was_never_filled_holds_no_authority():
    assert parse_secret({"data": {}}) == parse_secret({}) == ()


def test_a_certificate_without_its_key_is_only_believed():
    older, newer = made(), made(NOW + HOUR)
    data = render_secret((*newer, *older))

    found = parse_secret({"data": {**data, "ca.key": render_secret(older)["ca.key"]}})

    assert [bool(each.key) for each in found] == [False, True]
    assert signs(in_force(found, now=NOW + 79 * HOUR), older[0])


def encoded(text: bytes) -> str:
    return b64encode(text).decode()


GOOD = render_secret(made())
LEAF = issue(
    PemPair(made()[0].certificate.pem, made()[0].key), Identity("x"), now=NOW, lifetime=HOUR
)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param({**GOOD, "ca.crt": encoded(b"garbage")}, "certificates", id="certificate"),
        pytest.param({**GOOD, "ca.key": encoded(b"garbage")}, "private key", id="key"),
        pytest.param({**GOOD, "ca.key": "%%"}, "base64", id="no base64"),
        pytest.param({"ca.crt": GOOD["ca.crt"]}, "no private key", id="certificate alone"),
        pytest.param({"ca.key": GOOD["ca.key"]}, "certificates", id="key alone"),
        pytest.param(
            {**GOOD, "ca.key": render_secret(made())["ca.key"]}, "belongs", id="another key"
        ),
        pytest.param(
            {"ca.crt": encoded(LEAF.certificate), "ca.key": encoded(LEAF.key)}, "CA's", id="no CA"
        ),
        pytest.param(
            {**GOOD, "ca.key": encoded(b64decode(str(GOOD["ca.key"]))[:60])}, "key", id="cut key"
        ),
    ],
)
def test_a_secret_that_was_edited_into_garbage_says_why_and_tells_no_key(data, reason):
    with pytest.raises(BrokenSecretError, match=reason) as caught:
        parse_secret({"data": data})

    assert "PRIVATE" not in str(caught.value)


@pytest.mark.parametrize(
    ("passed", "reason"),
    [
        pytest.param(0, "", id="new"),
        pytest.param(39, "", id="less than half of its life"),
        pytest.param(40, "half", id="half of its life"),
        pytest.param(81, "ended", id="ended"),
        pytest.param(-1, "", id="a clock that is an hour behind"),
        pytest.param(-3, "clock", id="a clock before its time"),
    ],
)
def test_another_authority_is_made_when_it_is_time(passed, reason):
    decided = plan(made(), now=NOW + passed * HOUR)

    assert reason in decided.reason
    assert bool(reason) is bool(decided.reason)


def test_one_is_made_where_there_is_none_or_no_key():
    keyless = (Authority(made()[0].certificate),)

    assert "none yet" in plan((), now=NOW).reason
    assert "no key" in plan(keyless, now=NOW).reason


def test_the_first_signs_at_once_and_the_next_when_everybody_has_learned_of_it():
    newer, older = two()

    assert signs(in_force((older,), now=NOW), older)
    assert signs(in_force((newer, older), now=NOW + 49 * HOUR), older)
    assert signs(in_force((newer, older), now=NOW + 50 * HOUR), newer)


def test_all_that_have_not_ended_are_believed():
    newer, older = known = two()

    early, late = in_force(known, now=NOW + 79 * HOUR), in_force(known, now=NOW + 80 * HOUR)

    assert early
    assert late
    assert read_certificates(early.bundle) == (newer.certificate, older.certificate)
    assert read_certificates(late.bundle) == (newer.certificate,)


def test_the_next_change_is_never_missed():
    known, now = two(), NOW

    seen = []
    while now < NOW + 79 * HOUR:
        now = next_change(known, now=now)
        seen.append((now - NOW) // HOUR)

    assert seen == [10, 38, 40, 50, 80]


def test_an_authority_made_under_a_clock_that_was_ahead_signs_until_it_can_be_replaced():
    (ahead,) = made(NOW + 1 * HOUR)
    (far_ahead,) = made(NOW + 100 * HOUR)

    assert signs(in_force((ahead,), now=NOW), ahead)
    assert in_force((far_ahead,), now=NOW) is None
    decided = plan((far_ahead,), now=NOW)
    repaired = parse_secret({"data": render_secret(made(NOW, decided.known))})
    assert not plan(repaired, now=NOW).reason
    assert not signs(in_force(repaired, now=NOW), far_ahead)


def test_a_bundle_tells_if_it_has_what_is_wanted_and_nothing_else_that_lasts():
    newer, older = (each.certificate for each in two())
    stranger = made()[0].certificate

    at, late = NOW + 41 * HOUR, NOW + 80 * HOUR
    both = newer.pem + older.pem

    assert tells(older.pem + newer.pem, both, now=at)
    assert tells(both, newer.pem, now=late)
    assert not tells(both, newer.pem, now=at)
    assert not tells(newer.pem, both, now=at)
    assert not tells(both + stranger.pem, both, now=at)
    assert not tells(b"", both, now=at)
    assert not tells(b"garbage", both, now=at)


def test_certificates_live_a_quarter_of_their_authoritys_life_at_most():
    minute = timedelta(minutes=1)

    assert Lifetimes(authority=minute, certificate=minute).leaf == timedelta(seconds=15)
    assert LIFETIMES.leaf == LIFETIMES.certificate


@pytest.mark.parametrize(
    ("passed", "is_due"),
    [
        pytest.param(timedelta(0), False, id="new"),
        pytest.param(timedelta(hours=6), False, id="less than two thirds"),
        pytest.param(timedelta(hours=7), True, id="two thirds"),
        pytest.param(timedelta(hours=-3), True, id="not valid yet"),
    ],
)
def test_a_certificate_is_renewed_in_time(passed, is_due):
    known = made()
    authorities = in_force(known, now=NOW)
    assert authorities is not None
    pair = issue(authorities.signing, Identity("x"), now=NOW, lifetime=10 * HOUR)

    (certificate,) = read_certificates(pair.certificate)

    assert must_issue(certificate, authorities, now=NOW + passed) is is_due


def test_a_certificate_whose_authority_is_not_believed_any_more_is_replaced_at_once():
    old, new = in_force(made(), now=NOW), in_force(made(), now=NOW)
    assert old
    assert new

    assert not must_issue(leaf_of(old.signing), old, now=NOW)
    assert must_issue(leaf_of(old.signing), new, now=NOW)


@dataclass
class World:
    """An installation as time goes by, and agents that learn of new bundles late."""

    lifetimes: Lifetimes
    learning: timedelta
    now: datetime = NOW
    known: tuple[Authority, ...] = ()
    published: list[tuple[datetime, bytes]] = field(default_factory=list)
    leaves: dict[str, Certificate] = field(default_factory=dict)

    def go_on(self, passed: timedelta) -> None:
        self.now += passed
        decided = plan(self.known, now=self.now)
        self.known = decided.known
        if decided.reason:
            self.known = add_authority(self.known, now=self.now, lifetimes=self.lifetimes)
        authorities = in_force(self.known, now=self.now)
        assert authorities is not None
        self.published.append((self.now, authorities.bundle))
        for name in ("server", "agent"):
            leaf = self.leaves.get(name)
            if leaf is None or must_issue(leaf, authorities, now=self.now):
                self.leaves[name] = self._issued(name, authorities)

    def _issued(self, name: str, authorities: Authorities) -> Certificate:
        pair = issue(
            authorities.signing,
            Identity(name),
            now=self.now,
            lifetime=self.lifetimes.leaf,
            usage=Usage.CLIENT,
        )
        return read_certificates(pair.certificate)[0]

    def believed(self) -> tuple[Certificate, ...]:
        """What the slowest believes: what was published a while ago."""
        learned = [each for each in self.published if each[0] + self.learning <= self.now]
        return read_certificates((learned or self.published[:1])[-1][1])


# Certificates know whole seconds, so what is to happen within a step takes more than one.
@given(
    life=st.integers(200, 5000),
    share=st.floats(0.2, 1),
    learning=st.floats(0, 0.95),
    steps=st.lists(st.floats(0.1, 1), min_size=60, max_size=80),
)
@settings(deadline=None, max_examples=25)
def test_nobody_is_refused_at_any_moment_however_often_authorities_change(
    life, share, learning, steps
):
    lifetimes = Lifetimes(
        timedelta(seconds=life), timedelta(seconds=max(round(life * share / 4), 30))
    )
    world = World(lifetimes, learning=timedelta(seconds=max(life / 8 * learning - 2, 0)))

    for step in steps:
        world.go_on(step * lifetimes.leaf / 3.1)

        for leaf in world.leaves.values():
            assert leaf.is_valid(world.now)
            signers = [each for each in world.believed() if is_signed_by(leaf, each)]
            assert any(each.is_valid(world.now) for each in signers)
        assert len(world.known) <= 3


def test_a_foreign_authority_with_a_short_life_is_taken_too():
    pair = new_authority("theirs", now=NOW - 3 * HOUR, lifetime=HOUR + timedelta(hours=3))
    (certificate,) = read_certificates(pair.certificate)

    assert not plan((Authority(certificate, pair.key),), now=NOW - 2 * HOUR).reason


def test_a_secret_with_a_key_that_cannot_sign_here_says_so():
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ours")])
    own = (
        x509.CertificateBuilder(name, name, key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    data: JsonObject = {"ca.crt": b64encode(own).decode(), "ca.key": b64encode(private).decode()}

    with pytest.raises(BrokenSecretError, match="not ECDSA"):
        parse_secret({"data": data})
