from apiserver.upstream.backoff import Backoff


def longest(_low: float, high: float) -> float:
    return high


def test_waits_double_up_to_the_bound():
    backoff = Backoff(longest, first_seconds=1, longest_seconds=5)

    assert [backoff.next_delay() for _ in range(5)] == [1, 2, 4, 5, 5]


def test_a_success_begins_anew():
    backoff = Backoff(longest, first_seconds=1, longest_seconds=5)
    backoff.next_delay()
    backoff.next_delay()

    backoff.reset()

    assert backoff.next_delay() == 1


def test_a_wait_is_at_least_half_of_its_step():
    backoff = Backoff(lambda low, _high: low, first_seconds=1, longest_seconds=5)

    assert [backoff.next_delay() for _ in range(3)] == [0.5, 1, 2]


def test_a_server_may_ask_for_more_but_not_for_ever():
    backoff = Backoff(longest, first_seconds=1, longest_seconds=5)

    assert backoff.next_delay(at_least=3) == 3
    assert backoff.next_delay(at_least=3600) == 5
