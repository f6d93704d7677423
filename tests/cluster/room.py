"""Whether the machine has room for one more cluster."""

from contextlib import ExitStack

from asyncinotify import Inotify

# Seen with Kubernetes 1.36: 6 each by kube-apiserver and two kubelets, 5 by
# kube-controller-manager, 4 by the rest; and an agent of the product on each node. Linux gives a
# user 128 by default, and a kubelet without them ends a minute later and does not say much.
_INOTIFY_INSTANCES = 35


class NoRoomError(Exception):
    """The machine has too little of something."""


def check_room() -> None:
    """Raise NoRoomError if a cluster would run out of inotify instances."""
    with ExitStack() as instances:
        try:
            for _ in range(_INOTIFY_INSTANCES):
                instances.enter_context(Inotify())
        except OSError as error:
            raise NoRoomError(
                "too few inotify instances are left for a cluster: end another one, or raise"
                " the sysctl fs.inotify.max_user_instances"
            ) from error
