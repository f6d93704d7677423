"""Times to the microsecond, as Kubernetes writes them (`metav1.MicroTime`). Pure."""

from datetime import UTC, datetime

from apiserver.jsontypes import JsonObject, text_at


def render_micro_time(moment: datetime) -> str:
    """Return an aware time in UTC, always with six digits: `2026-01-02T15:04:05.000000Z`.

    So two of them compare as texts as they do as times.
    """
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def micro_time_at(document: JsonObject, name: str) -> datetime | None:
    """Return the time under `name`, in UTC; None where there is none, or nothing that is a time."""
    try:
        moment = datetime.fromisoformat(text_at(document, name))
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
