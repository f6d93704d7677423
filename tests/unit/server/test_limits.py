"""Who is sent away, and who is not."""

from contextlib import ExitStack

import pytest

from apiserver.auth.identity import User
from apiserver.server.limits import Bounds, BusyError, InFlight, Limits, Shares, is_long_running
from apiserver.wire.query import parse_query
from apiserver.wire.request import parse_request

ALICE, BOB = User("alice"), User("bob")
ADMIN = User("root", ("system:masters",))
COLLECTION = "/apis/projectcalico.org/v3/namespaces/shop/packetcaptures"
AGENT = "system:serviceaccount:packetcapture:packetcapture-agent"


def agent(uid):
    return User(AGENT, extra={"authentication.kubernetes.io/pod-uid": (uid,)})


def asked(method="GET", path=COLLECTION, query=""):
    return parse_request(method, path, parse_query(query))


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(asked(), asked(path=f"{COLLECTION}/http"), id="reads"),
        pytest.param(asked("POST"), asked("DELETE", f"{COLLECTION}/http"), id="writes"),
    ],
)
def test_one_request_too_many_is_told_to_come_back_in_a_second(first, second):
    limits = Limits(Bounds(read_only=1, mutating=1))

    with (
        limits.place(ALICE, first),
        pytest.raises(BusyError) as caught,
        limits.place(BOB, second),
    ):
        pass

    assert str(caught.value) == "Too many requests, please try again later."
    assert caught.value.retry_after_seconds == 1


def test_reads_and_writes_do_not_take_each_others_places():
    limits = Limits(Bounds(read_only=1, mutating=1))

    with limits.place(ALICE, asked()), limits.place(ALICE, asked("POST")):
        pass


def test_a_place_is_free_again_whatever_became_of_the_request():
    limits = Limits(Bounds(read_only=1))

    for _ in range(3):
        with pytest.raises(ZeroDivisionError), limits.place(ALICE, asked()):
            raise ZeroDivisionError


@pytest.mark.parametrize("info", [asked(), asked("POST")])
def test_administrators_always_get_an_answer(info):
    limits = Limits(Bounds(1, 1, 1, 1))

    with limits.place(ADMIN, info), limits.place(ADMIN, info), limits.place(ADMIN, info):
        pass


@pytest.mark.parametrize("info", [asked(), asked("POST"), asked(query="watch=1")])
def test_zero_is_no_limit(info):
    limits = Limits(Bounds(0, 0, 0, 0))

    with ExitStack() as stack:
        for _ in range(1000):
            stack.enter_context(limits.place(ALICE, info))


def test_watches_are_not_requests_in_flight():
    limits = Limits(Bounds(read_only=1))

    with limits.place(ALICE, asked(query="watch=1")), limits.place(ALICE, asked()):
        pass


def test_a_user_with_too_many_watches_is_told_what_to_do():
    limits, watch = Limits(Bounds(watches_per_user=1)), asked(query="watch=1")

    with (
        limits.place(ALICE, watch),
        limits.place(BOB, watch),
        pytest.raises(BusyError) as caught,
        limits.place(ALICE, watch),
    ):
        pass

    assert str(caught.value) == (
        'Too many watches: user "alice" has 1 open here, as many as one may have. '
        "End some of them, or raise --max-watches-per-user of this server"
    )


def test_watches_are_bounded_for_administrators_too():
    limits, watch = Limits(Bounds(watches_per_user=1)), asked(query="watch=1")

    with limits.place(ADMIN, watch), pytest.raises(BusyError), limits.place(ADMIN, watch):
        pass


def test_watches_of_all_users_together_are_bounded_too():
    limits, watch = Limits(Bounds(watches=1)), asked(query="watch=1")

    with (
        limits.place(ALICE, watch),
        pytest.raises(BusyError, match="raise --max-watches of this server"),
        limits.place(BOB, watch),
    ):
        pass


def test_each_pod_of_a_service_account_has_its_own_share():
    shares = Shares("watches", total=0, each=1)

    with (
        shares.place(agent("1")),
        shares.place(agent("2")),
        pytest.raises(BusyError),
        shares.place(agent("2")),
    ):
        pass


def test_users_who_have_gone_are_forgotten():
    shares = Shares("watches", total=0, each=1)
    for number in range(100):
        with shares.place(User(f"user-{number}")):
            pass

    assert len(shares._taken) == 0


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        pytest.param(asked(query="watch=1"), True, id="a watch"),
        pytest.param(asked(path=f"{COLLECTION}/http/files/n1/a.pcap"), True, id="a download"),
        pytest.param(asked(path=f"{COLLECTION}/http/files/n1"), False, id="a listing"),
        pytest.param(asked(path=f"{COLLECTION}/http/files"), False, id="the whole listing"),
        pytest.param(asked("PUT", f"{COLLECTION}/http/files/n1/a"), False, id="no download"),
        pytest.param(asked(), False, id="a list"),
    ],
)
def test_what_takes_as_long_as_its_client_wants(info, expected):
    assert is_long_running(info) is expected


def test_the_most_at_once_is_that_of_the_last_second():
    clock = Clock()
    requests = InFlight(0, clock)
    with requests.place(ALICE), requests.place(ALICE):
        pass
    during = requests.peak()
    clock.now += 1
    just_after = requests.peak()
    clock.now += 1
    later = requests.peak()
    with requests.place(ALICE):
        clock.now += 60
        lasting = requests.peak()

    assert (during, just_after, later, lasting) == (2, 2, 0, 1)
