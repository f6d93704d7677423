"""What the kubelet calls the cgroups of pods. Pure.

Its drivers spell a pod's uid in two ways, below a "kubepods" that may lie anywhere:

    cgroupfs  [/ROOT]/kubepods/[burstable|besteffort/]pod01234567-89ab-.../CONTAINER
    systemd   [/ROOT.slice]/[ROOT-]kubepods[-QOS].slice/[ROOT-]kubepods[-QOS]-pod01234567_89ab_....slice/cri-containerd-ID.scope
"""

import re
from pathlib import PurePath
from typing import Final

# The uid of a pod of the API is a UUID. That of a static pod is an MD5 in hexadecimal digits.
_UID: Final = r"[0-9a-f]{8}(?P<dash>[-_]?)[0-9a-f]{4}(?P=dash)[0-9a-f]{4}(?P=dash)[0-9a-f]{4}(?P=dash)[0-9a-f]{12}"
_CGROUPFS_POD: Final = re.compile(f"pod(?P<uid>{_UID})")
_SYSTEMD_POD: Final = re.compile(rf"(?:[^/]*-)?kubepods(?:-[a-z]+)?-pod(?P<uid>{_UID})\.slice")
_PODS: Final = re.compile(r"kubepods|(?:[^/]*-)?kubepods\.slice")


def pod_uid(name: str) -> str | None:
    """Return the uid in the name of a pod's cgroup directory, None if it is not a pod's."""
    if found := _CGROUPFS_POD.fullmatch(name):
        return found["uid"] if found["dash"] != "_" else None
    found = _SYSTEMD_POD.fullmatch(name)
    return found["uid"].replace("_", "-") if found and found["dash"] != "-" else None


def holds_pods(path: PurePath) -> bool:
    """Return whether a cgroup, relative to the root, is the kubelet's own, or lies below that."""
    return any(_PODS.fullmatch(part) for part in path.parts)
