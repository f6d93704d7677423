"""An interface of a network namespace, as the kernel tells of it. Pure."""

from dataclasses import dataclass
from typing import Final

# What the kernel calls a namespace that has no number (NETNSA_NSID_NOT_ASSIGNED).
NO_NAMESPACE: Final = -1


@dataclass(frozen=True, slots=True)
class Link:
    """An interface; one that was made anew under the same name has another index.

    `kind` is the driver's name for what it is ("veth"). `peer_namespace` is the number that this
    network namespace has for the one of its other end, NO_NAMESPACE if that is this one too.
    """

    name: str
    index: int
    up: bool
    is_loopback: bool = False
    kind: str = ""
    peer_namespace: int = NO_NAMESPACE
