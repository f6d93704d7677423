"""Questions to the cluster, and how long their answers count."""

import asyncio

import pytest

from apiserver.auth.reviews import CONCURRENT, NO_ANSWER, Answers, ReviewError, Reviews
from apiserver.upstream.client import Client, open_client
from tests.fakes.kubernetes_api import KubernetesAPI, Reply, a_status, serving, write_kubeconfig

PATH = "/apis/authentication.k8s.io/v1/tokenreviews"
ANSWER = Reply({"kind": "TokenReview", "status": {"authenticated": True}}, 201)


class Naps:
    """Sleeps that take no time and are remembered."""

    def __init__(self):
        self.seconds = []

    async def __call__(self, seconds):
        self.seconds.append(seconds)


@pytest.fixture
async def api():
    async with serving(KubernetesAPI()) as running:
        yield running


@pytest.fixture
def naps():
    return Naps()


@pytest.fixture
async def reviews(api, naps, tmp_path):
    config = await asyncio.to_thread(write_kubeconfig, tmp_path / "config", api.url)
    async with open_client(config) as client:
        yield Reviews(client, PATH, jitter=lambda low, _high: low, sleep=naps)


def refusal(code, reason, **more):
    return Reply(a_status(code, reason, **more), code)


async def test_an_answer_is_its_status(api, reviews):
    api.creations.append(ANSWER)

    assert await reviews.ask({"spec": {"token": "x"}}) == {"authenticated": True}
    assert api.asked[0].path == PATH


@pytest.mark.parametrize(
    "passing",
    [
        pytest.param(refusal(500, "InternalError"), id="internal error"),
        pytest.param(refusal(504, "Timeout"), id="timeout"),
        pytest.param(refusal(429, "TooManyRequests"), id="too many requests"),
        pytest.param(refusal(503, "ServiceUnavailable", retry_after=1), id="asked to come again"),
        pytest.param(Reply(b"no JSON"), id="no answer that can be read"),
    ],
)
async def test_what_may_pass_is_asked_again(api, reviews, passing):
    api.creations.extend([passing, ANSWER])

    assert await reviews.ask({}) == {"authenticated": True}


async def test_pauses_grow_and_end(api, reviews, naps):
    api.creations.extend([refusal(500, "InternalError")] * 5)

    with pytest.raises(ReviewError):
        await reviews.ask({})

    assert naps.seconds == [0.5, 0.75, 1.125, 1.6875]
    assert len(api.asked) == 5


async def test_a_server_that_names_a_pause_gets_it(api, reviews, naps):
    api.creations.extend([refusal(429, "TooManyRequests", retry_after=3), ANSWER])

    await reviews.ask({})

    assert naps.seconds == [3.0]


async def test_what_will_not_pass_is_asked_once(api, reviews):
    api.creations.append(refusal(403, "Forbidden"))

    with pytest.raises(ReviewError) as caught:
        await reviews.ask({})

    assert "Forbidden" in caught.value.reason
    assert "needs ClusterRole system:auth-delegator" in caught.value.reason
    assert len(api.asked) == 1


async def test_each_request_is_told_of(api, naps, tmp_path):
    told = []
    config = await asyncio.to_thread(write_kubeconfig, tmp_path / "config", api.url)
    api.creations.extend([refusal(500, "InternalError"), Reply(b"no JSON"), ANSWER])

    async with open_client(config) as client:
        await Reviews(
            client,
            PATH,
            jitter=lambda low, _high: low,
            sleep=naps,
            observe=lambda code, seconds: told.append((code, seconds >= 0)),
        ).ask({})

    assert told == [("500", True), (NO_ANSWER, True), ("201", True)]


async def test_only_a_change_is_logged(api, reviews, caplog):
    api.creations.extend([refusal(403, "Forbidden"), refusal(403, "Forbidden"), ANSWER, ANSWER])

    with caplog.at_level("INFO"):
        for _ in range(2):
            with pytest.raises(ReviewError):
                await reviews.ask({})
        for _ in range(2):
            await reviews.ask({})

    assert [each.message for each in caplog.records] == ["reviews fail", "reviews work again"]


class Clock:
    """A monotonic clock that is set."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Oracle:
    """Answers when it is told to, and counts."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.is_asked = asyncio.Event()

    async def __call__(self):
        self.asked += 1
        self.is_asked.set()
        await self.may_answer.wait()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def answers(clock):
    return Answers(clock, seconds=10, size=2)


async def test_an_answer_counts_for_ten_seconds(answers, clock):
    oracle = Oracle("first", "second")

    got = []
    for now in (0.0, 9.9, 10.0):
        clock.now = now
        got.append(await answers.get(b"q", oracle))

    assert got == ["first", "first", "second"]


async def test_no_answer_is_an_answer_too(answers):
    oracle = Oracle(None)

    assert [await answers.get(b"q", oracle) for _ in range(2)] == [None, None]


async def test_an_error_is_not_kept(answers):
    oracle = Oracle(ReviewError("away"), "answer")

    with pytest.raises(ReviewError):
        await answers.get(b"q", oracle)

    assert await answers.get(b"q", oracle) == "answer"


async def test_an_answer_that_is_not_to_be_kept_is_not(answers):
    oracle = Oracle("first", "second")

    got = [await answers.get(b"q", oracle, is_kept=False) for _ in range(2)]

    assert got == ["first", "second"]


async def test_the_least_used_is_forgotten_first(answers):
    oracle = Oracle("a", "b", "c", "b again")

    for key in (b"a", b"b", b"a", b"c"):
        await answers.get(key, oracle)

    assert await answers.get(b"a", oracle) == "a"
    assert await answers.get(b"b", oracle) == "b again"


async def test_the_same_question_at_the_same_time_is_asked_once(answers):
    oracle = Oracle("answer")

    async with asyncio.TaskGroup() as tasks:
        oracle.may_answer.clear()
        asking = [tasks.create_task(answers.get(b"q", oracle)) for _ in range(5)]
        await oracle.is_asked.wait()
        oracle.may_answer.set()

    assert [task.result() for task in asking] == ["answer"] * 5
    assert oracle.asked == 1


async def test_an_error_reaches_everybody_who_waits(answers):
    oracle = Oracle(ReviewError("away"))

    async def ask():
        with pytest.raises(ReviewError) as caught:
            await answers.get(b"q", oracle)
        return caught.value.reason

    async with asyncio.TaskGroup() as tasks:
        oracle.may_answer.clear()
        asking = [tasks.create_task(ask()) for _ in range(3)]
        await oracle.is_asked.wait()
        oracle.may_answer.set()

    assert [task.result() for task in asking] == ["away"] * 3
    assert oracle.asked == 1


async def test_when_the_asker_goes_away_another_asks(answers):
    oracle = Oracle("answer")

    async with asyncio.TaskGroup() as tasks:
        oracle.may_answer.clear()
        first = tasks.create_task(answers.get(b"q", oracle))
        await oracle.is_asked.wait()
        second = tasks.create_task(answers.get(b"q", oracle))
        oracle.is_asked.clear()
        first.cancel()
        await oracle.is_asked.wait()
        oracle.may_answer.set()

    assert first.cancelled()
    assert second.result() == "answer"


class Busy(Client):
    """A cluster that answers nothing for now."""

    def __init__(self):
        self.asked = 0
        self.most = asyncio.Event()
        self.answers = asyncio.Event()

    async def create(self, path, document):  # noqa: ARG002 - as its base
        self.asked += 1
        if self.asked == CONCURRENT:
            self.most.set()
        await self.answers.wait()
        return {}


async def test_questions_that_anybody_can_cause_leave_connections_for_others():
    cluster = Busy()
    reviews = Reviews(cluster, PATH, jitter=lambda low, _high: low, sleep=asyncio.sleep)

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        for _ in range(2 * CONCURRENT):
            tasks.create_task(reviews.ask({}))
        await cluster.most.wait()
        await asyncio.sleep(0)
        asked_at_once = cluster.asked
        cluster.answers.set()

    assert asked_at_once == CONCURRENT
    assert cluster.asked == 2 * CONCURRENT
