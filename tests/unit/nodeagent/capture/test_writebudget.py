"""Bytes that may be written, for whoever comes first."""

import pytest

from nodeagent.capture.writebudget import WriteBudget


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def budget(told: list[str]) -> WriteBudget:
    return WriteBudget(lambda: told.append("spent"))


def test_without_a_grant_anything_may_be_written(budget: WriteBudget, told: list[str]):
    reserved = budget.reserve(10**12)
    budget.refuse(1)

    assert (reserved, budget.is_spent, told) == (10**12, False, [])


def test_no_more_is_reserved_than_was_granted(budget: WriteBudget):
    budget.grant(100)

    assert [budget.reserve(60), budget.reserve(60), budget.reserve(60)] == [60, 40, 0]


def test_what_was_not_written_can_be_reserved_again(budget: WriteBudget):
    budget.grant(100)

    budget.settle(budget.reserve(100), 30)

    assert budget.reserve(100) == 70


def test_what_was_written_beyond_the_budget_is_not_granted_to_others(budget: WriteBudget):
    budget.grant(10)

    budget.settle(0, 30)

    assert budget.reserve(1) == 0


def test_its_end_is_told_once_per_grant(budget: WriteBudget, told: list[str]):
    budget.grant(10)
    budget.refuse(11)
    budget.refuse(11)
    before = budget.is_spent, len(told)
    budget.grant(10)

    budget.refuse(11)

    assert before == (True, 1)
    assert (budget.is_spent, len(told)) == (True, 2)


def test_a_grant_that_came_meanwhile_counts(budget: WriteBudget, told: list[str]):
    budget.grant(0)
    needed = 50 - budget.reserve(0)
    budget.grant(100)

    budget.refuse(needed)

    assert (budget.is_spent, told) == (False, [])
