"""Times as Kubernetes writes them (`metav1.Time`): RFC 3339, stored in UTC and whole seconds."""

import re
from datetime import UTC, datetime, timedelta, timezone

# Go's layout of RFC 3339: capital T, Z or an offset; fractions are read and then dropped.
# `datetime.fromisoformat` takes far more (dates alone, blanks, no zone).
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,]\d+)?"
    r"(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)


def parse_time(text: str) -> datetime:
    """Return the instant that `text` names, in UTC and whole seconds. Raises ValueError."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError("must be an RFC 3339 time, such as 2026-01-02T15:04:05Z")
    year, month, day, hour, minute, second = (int(each) for each in match.groups()[:6])
    zone = UTC
    if match[7]:
        offset = timedelta(hours=int(match[8]), minutes=int(match[9]))
        zone = timezone(-offset if match[7] == "-" else offset)
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"must be a time that exists: {error}") from error


def render_time(instant: datetime) -> str:
    """Return an aware time as Kubernetes shows it: `2026-01-02T15:04:05Z`."""
    # Not strftime: its %Y has fewer than four digits for the first thousand years.
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"
