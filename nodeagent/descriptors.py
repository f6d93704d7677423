"""How many files the agent may have open."""

import resource
from typing import Final

# An endpoint has four at most (its packets, their file, libpcap's bell, links of its own), and a pod one.
ENOUGH: Final = 65_536


def allow_descriptors() -> None:
    """Raise this process's limit as far as it may, up to what is enough.

    Services of systemd, and so containers of some runtimes, begin with 1,024 of the many more that they
    may have, for the sake of programs that use select(2).
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
