"""When changes of rings are told."""

import math
from collections.abc import Collection
from dataclasses import dataclass

from nodeagent.capture.notices import PAUSE_SECONDS, Notices


@dataclass(frozen=True)
class Owner:
    """Hears of rings, which are names here."""

    heard: list[set[str]]

    def tell(self, rings: Collection[str]) -> None:
        """Take a notice."""
        self.heard.append(set(rings))


def test_a_first_change_is_told_at_once():
    owner = Owner([])
    notices = Notices[str](owner.tell)

    notices.note("a")
    notices.tell_due(0.0)

    assert owner.heard == [{"a"}]
    assert notices.next_due() == math.inf


def test_changes_that_follow_are_told_together_at_the_next_tick():
    owner = Owner([])
    notices = Notices[str](owner.tell)
    for now, ring in ((0.0, "a"), (0.03, "b"), (0.05, "a"), (0.07, "b")):
        notices.note(ring)
        notices.tell_due(now)

    due = notices.next_due()
    notices.tell_due(due)

    assert due == PAUSE_SECONDS
    assert owner.heard == [{"a"}, {"b"}, {"a", "b"}]


def test_a_ring_that_was_silent_for_a_tick_is_told_of_at_once_again():
    owner = Owner([])
    notices = Notices[str](owner.tell)
    for now, ring in ((0.0, "a"), (0.05, "b"), (0.06, "b"), (0.2, "b"), (0.21, "a")):
        notices.note(ring)
        notices.tell_due(now)

    assert owner.heard[-1] == {"a"}


def test_a_forgotten_ring_is_not_told_of():
    owner = Owner([])
    notices = Notices[str](owner.tell)
    notices.note("a")
    notices.tell_due(0.0)
    notices.note("a")

    notices.forget("a")
    notices.tell_due(1.0)

    assert owner.heard == [{"a"}]
    assert notices.next_due() == math.inf
