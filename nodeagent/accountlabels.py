"""Labels of service accounts are followed only while a selector mentions one (DESIGN 9.5).

Until they are known such a capture waits, because of a label that is absent `!=` is true: it would
capture pods that are not meant.
"""

from typing import Final, Protocol

from apiserver.resource.types import PacketCapture
from nodeagent.cluster.captureset import CaptureSet

# A value with this in it is taken for a label too, which costs a watch and nothing else.
_PREFIX: Final = "pcsa."


class LabelledPods(Protocol):
    """Pods, with or without the labels of their service accounts."""

    has_account_labels: bool

    def want_account_labels(self, wanted: bool) -> None:
        """Have labels with those of service accounts from soon on, or without them."""


class AccountLabels:
    """Asks for the labels as captures come and go, and holds back the captures that need them."""

    def __init__(self, captures: CaptureSet, pods: LabelledPods) -> None:
        self._captures = captures
        self._pods = pods
        captures.hold_back(self._must_wait)

    def ask(self) -> None:
        """Look at the captures again: they may have changed."""
        self._pods.want_account_labels(any(map(_mentions, self._captures.understood)))

    def _must_wait(self, capture: PacketCapture) -> bool:
        return _mentions(capture) and not self._pods.has_account_labels


def _mentions(capture: PacketCapture) -> bool:
    return _PREFIX in capture.spec.selector.canonical
