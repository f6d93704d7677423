"""Names of capture files: `{pod}_{interface}.pcap`, rotated `{pod}_{interface}-{time}.pcap`.

The first `_` divides, as a pod's name has none. An interface's name may hold `_` and `-`, but with at
most 15 bytes (Linux' IFNAMSIZ) it cannot end in a time. Names of one endpoint sort by time, with the
active file last.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

MAX_NAME_BYTES: Final = 255
CUT_POD_BYTES: Final = 190
DIGEST_LENGTH: Final = 8

_NAME = re.compile(
    r"(?P<pod>[^_/\0]+)_(?P<interface>[^/\0]+?)(?:-(?P<time>[0-9]{8}T[0-9]{6}\.[0-9]{6}Z))?\.pcap"
)
_TIME_FORMAT: Final = "%Y%m%dT%H%M%S.%fZ"
_TIME_LENGTH: Final = len("YYYYMMDDTHHMMSS.ffffffZ")


@dataclass(frozen=True, slots=True)
class CaptureFile:
    """What the name of a file says; `rotated_at` (UTC) is None for the active file."""

    pod: str
    interface: str
    rotated_at: datetime | None = None


def render(file: CaptureFile) -> str:
    """Return the name of a file, at most 255 bytes.

    A pod's name that is too long is cut and ends in `~` and a digest. Whether it is too long is told
    by the rotated name, so that all files of an endpoint start alike.
    """
    time = "" if file.rotated_at is None else f"-{_render_time(file.rotated_at)}"
    return f"{_fitting(file.pod, file.interface)}_{file.interface}{time}.pcap"


def parse(name: str) -> CaptureFile | None:
    """Return what a name says, None if it is not the name of a capture file.

    Of a name that was cut the pod is what is left of it, which renders to the same name again.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    if found["time"] is None:
        return CaptureFile(found["pod"], found["interface"])
    try:
        time = datetime.strptime(found["time"], _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return None
    return CaptureFile(found["pod"], found["interface"], time)


def _render_time(time: datetime) -> str:
    in_utc = time.astimezone(UTC)
    # Not strftime for the year: it writes the year 999 with three digits.
    return f"{in_utc.year:04d}{in_utc:%m%dT%H%M%S.%f}Z"


def _fitting(pod: str, interface: str) -> str:
    encoded = pod.encode()
    others = len(f"_{interface}-.pcap".encode()) + _TIME_LENGTH
    if len(encoded) + others <= MAX_NAME_BYTES:
        return pod
    digest = hashlib.sha256(encoded).hexdigest()[:DIGEST_LENGTH]
    return f"{encoded[:CUT_POD_BYTES].decode(errors='ignore')}~{digest}"
