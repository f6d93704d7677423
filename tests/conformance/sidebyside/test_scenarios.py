"""Our resource and the same one made by kube-apiserver itself: the same requests, the same answers."""

from collections.abc import Iterable

import pytest

from tests.conformance.sidebyside.declared.all import DECLARED
from tests.conformance.sidebyside.differences import judge
from tests.conformance.sidebyside.scenarios.all import SCENARIOS

TITLES = [each.title for each in SCENARIOS]


@pytest.mark.parametrize("title", TITLES)
def test_nothing_differs_but_what_is_declared(found_in, title):
    judgement = judge(found_in(title), DECLARED)

    assert not judgement.undeclared, _lines(judgement.undeclared)


def test_everything_that_is_declared_to_differ_does(found_in):
    found = [each for title in TITLES for each in found_in(title)]

    judgement = judge(found, DECLARED)

    assert not judgement.gone, _lines(judgement.gone)


def _lines(things: Iterable[object]) -> str:
    return "\n".join(map(repr, things))
