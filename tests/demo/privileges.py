"""What making network namespaces takes: root, or a user namespace with all capabilities of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.standalone import KUBECTL

# Set in the process that already is in a user namespace of its own.
_INSIDE = "PACKETCAPTURE_DEMO_INSIDE"

# Not as root of it: tcpdump gives up root for a user of its own, and there is no other user in there.
_UNSHARE = [
    *("unshare", "--user", "--map-user=1000", "--map-group=1000", "--keep-caps"),
    *("--net", "--mount"),
]

# /run becomes ours, because `ip netns` keeps its names there.
_PREPARE = 'mount -t tmpfs tmpfs /run && ip link set lo up && exec "$@"'


def missing_tools() -> str:
    """Return which programs are missing, or an empty text."""
    missing = [tool for tool in ("ip", "tcpdump", "nsenter") if not shutil.which(tool)]
    if missing:
        return f"{', '.join(missing)} not found (tests/tools/packages installs them)"
    return "" if KUBECTL.exists() else "kubectl not found (tests/tools/kubectl makes it)"


def run_with_capabilities() -> str:
    """Make sure that we are root, if need be by running again in a user namespace.

    Return what is missing for that, or an empty text. Does not return where it ran again.
    """
    if _is_root() or _INSIDE in os.environ:
        return ""
    if not shutil.which("unshare"):
        return "it needs root, or unshare (Debian: util-linux) and unprivileged user namespaces"
    allowed = subprocess.run([*_UNSHARE, "true"], capture_output=True, check=False)
    if allowed.returncode:
        return "it needs root; this system allows no unprivileged user namespaces either"
    command = [*_UNSHARE, "sh", "-c", _PREPARE, "demo", sys.executable, "-m", "tests.demo"]
    done = subprocess.run(command, env=os.environ | {_INSIDE: "yes"}, check=False)
    raise SystemExit(done.returncode)


def _is_root() -> bool:
    """Tell root of the machine from root of somebody's user namespace (user_namespaces(7))."""
    groups = Path("/proc/self/setgroups")
    return os.geteuid() == 0 and groups.read_text().strip() == "allow"
