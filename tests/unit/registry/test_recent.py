"""A bounded memory of what was made last."""

from apiserver.registry.recent import Recent


def test_a_value_is_there_until_newer_ones_weigh_too_much():
    recent: Recent[str, int] = Recent(max_weight=10)
    recent.put("a", 1, weight=4)
    recent.put("b", 2, weight=4)
    before = [recent.get(key) for key in "abc"]

    recent.put("c", 3, weight=4)

    assert before == [1, 2, None]
    assert [recent.get(key) for key in "abc"] == [None, 2, 3]


def test_a_value_that_weighs_too_much_by_itself_is_not_kept():
    recent: Recent[str, int] = Recent(max_weight=10)
    recent.put("a", 1, weight=4)

    recent.put("b", 2, weight=11)

    assert [recent.get(key) for key in "ab"] == [None, None]


def test_what_went_can_be_made_again():
    recent: Recent[str, int] = Recent(max_weight=1)
    recent.put("a", 1, weight=1)
    recent.put("b", 2, weight=1)

    recent.put("a", 3, weight=1)

    assert [recent.get(key) for key in "ab"] == [3, None]
