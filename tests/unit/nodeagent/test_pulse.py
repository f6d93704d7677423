from concurrent.futures import Future

import pytest

from nodeagent.pulse import Pulse


class Thread:
    """Answers when a test says so; `questions` has what it was asked, and `now` is the time."""

    def __init__(self) -> None:
        self.questions: list[Future[None]] = []
        self.now = 1000.0

    def ask(self) -> Future[None]:
        self.questions.append(Future())
        return self.questions[-1]

    def answer(self) -> None:
        self.questions[-1].set_result(None)


@pytest.fixture
def thread():
    return Thread()


@pytest.fixture
def pulse(thread):
    return Pulse(thread.ask, stuck_seconds=120, monotonic=lambda: thread.now)


def test_who_answers_is_alive_however_long_nobody_asked(thread, pulse):
    for _ in range(3):
        assert pulse.problem() == ""
        thread.answer()
        thread.now += 3600

    assert len(thread.questions) == 3


def test_who_does_not_answer_is_stuck_after_a_while_and_asked_once(thread, pulse):
    pulse.problem()

    thread.now += 119
    assert pulse.problem() == ""
    thread.now += 1
    assert pulse.problem() == "no answer for 120 s"
    assert len(thread.questions) == 1


def test_who_answers_late_is_alive_again(thread, pulse):
    pulse.problem()
    thread.now += 500
    thread.answer()

    assert pulse.problem() == ""
