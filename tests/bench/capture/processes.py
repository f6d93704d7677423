"""What running processes take: processor time and memory."""

import re
import time
from pathlib import Path

_MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+ *(.*)$")
_SHARE = re.compile(r"^Pss: +(\d+) kB$")
# A mapped ring of a packet socket shows under the name of its socket.
_RING = "socket:"


def processor_seconds(pid: int) -> float:
    """Return the processor time of all threads of a process, user and system."""
    # The clock id of another process's CPU clock (clock_getcpuclockid(3)), in nanoseconds.
    return time.clock_gettime((~pid << 3) | 2)


def memory_bytes(pid: int) -> int:
    """Return the proportional share (PSS) that a process has of all memory but its rings.

    What it shares with others, its libraries mostly, counts in parts.
    """
    kilobytes, in_ring = 0, False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if mapping := _MAPPING.match(line):
            in_ring = mapping[1].startswith(_RING)
        elif (share := _SHARE.match(line)) and not in_ring:
            kilobytes += int(share[1])
    return kilobytes * 1024
