"""Which pods of a namespace selectors match, found once and in slices.

Statuses are written far more often than pods come and go, and a selector may be long: one of the
greatest size takes some 3 ms a pod, so that the pods of a large namespace would stop everything else
for seconds.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final, TypeAlias, final

from apiserver.resource.pods import Labels, Pod
from apiserver.resource.selector.nodes import Selector

Labelled: TypeAlias = Sequence[tuple[Pod, Labels]]

# Selectors whose matches are remembered.
MAX_REMEMBERED: Final = 200

# Characters of a selector times pods that are looked at in one go: some 10 ms.
_SLICE_CHARACTERS: Final = 1 << 20

# From this length on a selector is asked about new pods only. To ask a short one about all of them is
# quicker than to find out which are new.
_LONG_CHARACTERS: Final = 4 << 10


@dataclass(frozen=True, slots=True)
class _Found:
    """What a selector matched of the pods that there were."""

    labelled: Labelled
    matching: tuple[Pod, ...]


@final
class Matches:
    """What selectors match of the pods that `read` returns, in whatever order it has them.

    Whoever holds `turn` may match a long selector: several at once would leave less to all others.
    """

    def __init__(
        self, read: Callable[[], Iterable[tuple[Pod, Labels]]], turn: asyncio.Lock
    ) -> None:
        self._read = read
        self._turn = turn
        self._labelled: Labelled | None = None
        self._found: dict[str, _Found] = {}

    def pods_changed(self) -> None:
        """Take note that pods came, went or changed."""
        self._labelled = None

    async def of(self, selector: Selector) -> tuple[Pod, ...]:
        """Return the pods that match; others have their turn where that takes long."""
        is_long = len(selector.canonical) >= _LONG_CHARACTERS
        # The texts of long ones are not kept for what was found.
        key = selector.unique_id if is_long else selector.canonical
        async with self._turn if is_long else nullcontext():
            labelled, before = self._present(), self._found.get(key)
            if before is not None and before.labelled is labelled:
                return before.matching
            if is_long:
                # What is found of pods that change meanwhile is still good to begin with.
                matching = await _matching_in_slices(selector, labelled, before)
            else:
                matching = tuple(pod for pod, labels in labelled if selector.matches(labels))
            if before is None and len(self._found) >= MAX_REMEMBERED:
                self._found.clear()
            self._found[key] = _Found(labelled, matching)
            return matching

    def _present(self) -> Labelled:
        if self._labelled is None:
            self._labelled = tuple(self._read())
        return self._labelled


async def _matching_in_slices(
    selector: Selector, labelled: Labelled, before: _Found | None
) -> tuple[Pod, ...]:
    """Match; pods that are in `before`, and have not changed since, are not asked about again."""
    length = len(selector.canonical)
    known = {pod for pod, _ in before.labelled} if before else set[Pod]()
    accepted = {*before.matching} if before else set[Pod]()
    left = _SLICE_CHARACTERS
    for pod, labels in labelled:
        if pod in known:
            continue
        if selector.matches(labels):
            accepted.add(pod)
        left -= length
        if left <= 0:
            await asyncio.sleep(0)
            left = _SLICE_CHARACTERS
    return tuple(pod for pod, _ in labelled if pod in accepted)
