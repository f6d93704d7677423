"""How large rings are as more of them run."""

import pytest

from nodeagent.capture.ringbudget import RingBudget, RingBudgetError, next_size, ring_sizes

MIB = 1024 * 1024
SIZES = (8 * MIB, 4 * MIB, 2 * MIB)


@pytest.mark.parametrize(
    ("largest", "sizes"),
    [
        pytest.param(8 * MIB, SIZES, id="by halves"),
        pytest.param(5 * MIB + 1, (5 * MIB, 5 * MIB // 2, 2 * MIB), id="in whole blocks"),
        pytest.param(2 * MIB, (2 * MIB,), id="one size"),
    ],
)
def test_sizes_go_from_the_largest_to_the_smallest(largest: int, sizes: tuple[int, ...]):
    assert ring_sizes(largest) == sizes


@pytest.mark.parametrize(
    ("used", "size"),
    [
        pytest.param(0, 8 * MIB, id="none"),
        pytest.param(92 * MIB, 8 * MIB, id="the first third"),
        pytest.param(92 * MIB + 1, 4 * MIB, id="a little more"),
        pytest.param(200 * MIB, 2 * MIB, id="two thirds"),
        pytest.param(298 * MIB, 2 * MIB, id="one more"),
        pytest.param(298 * MIB + 1, None, id="none more"),
    ],
)
def test_a_ring_is_smaller_the_more_is_used(used: int, size: int | None):
    assert next_size(SIZES, budget=300 * MIB, used=used) == size


@pytest.mark.parametrize(
    ("budget", "size"),
    [
        pytest.param(24 * MIB, 8 * MIB, id="room for a few"),
        pytest.param(6 * MIB, 4 * MIB, id="room for two"),
        pytest.param(3 * MIB, 2 * MIB, id="room for one"),
        pytest.param(MIB, None, id="room for none"),
    ],
)
def test_a_ring_fits_into_the_budget(budget: int, size: int | None):
    assert next_size(SIZES, budget=budget, used=0) == size


def test_how_many_rings_fit_into_a_gibibyte():
    budget = RingBudget(1024 * MIB)

    sizes = [budget.take("eth0") for _ in range(201)]

    assert [sizes.count(each) for each in ring_sizes(32 * MIB)] == [
        6,
        13,
        26,
        52,
        104,
    ]
    with pytest.raises(RingBudgetError):
        budget.take("eth0")


def test_a_ring_beyond_the_budget_is_refused_with_the_numbers():
    budget = RingBudget(3 * MIB)
    budget.take("eth0")

    with pytest.raises(RingBudgetError) as refused:
        budget.take("eth1")

    assert (refused.value.interface, refused.value.used_bytes) == ("eth1", 2 * MIB)


def test_what_is_given_back_can_be_taken_again():
    budget = RingBudget(2 * MIB)
    budget.give_back(budget.take("eth0"))

    assert budget.take("eth0") == 2 * MIB
