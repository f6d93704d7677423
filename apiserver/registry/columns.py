"""What `kubectl get packetcaptures` shows (DESIGN 3). Pure."""

from datetime import datetime

from apiserver.jsontypes import JsonObject, JsonValue, array_at, integer_at, object_at, text_at
from apiserver.resource.schedule import Phase, schedule_of
from apiserver.resource.status.conditions import READY, condition
from apiserver.resource.status.merging import status_state
from apiserver.resource.types import State
from apiserver.wire.ages import age
from apiserver.wire.table import Column

COLUMNS = (
    Column("Name", "string", "Name of the capture.", format="name"),
    Column("State", "string", "State over all nodes; before there is one, why not."),
    Column("Pods", "integer", "Pods selected so far."),
    Column("Packets", "integer", "Packets captured."),
    Column("Dropped", "integer", "Packets that passed the filter and were never in a file."),
    Column("Size", "string", "Bytes captured."),
    Column("Age", "string", "Time since the capture was created."),
    Column("Selector", "string", "Which pods.", priority=1),
    Column("Start", "date", "When it begins.", priority=1),
    Column("End", "date", "When it ends.", priority=1),
    Column("Nodes", "integer", "Nodes that have selected pods.", priority=1),
)

_GOING_ON = frozenset({State.CAPTURING, State.WAITING_FOR_TRAFFIC, State.SCHEDULED})


def cells(document: JsonObject, now: datetime) -> tuple[JsonValue, ...]:
    """Return an object's row, a cell for each of `COLUMNS`."""
    metadata = object_at(document, "metadata")
    spec, status = object_at(document, "spec"), object_at(document, "status")
    return (
        text_at(metadata, "name"),
        shown_state(spec, status, now),
        integer_at(status, "pods"),
        integer_at(status, "packets"),
        integer_at(status, "dropped"),
        human_bytes(integer_at(status, "bytes")),
        age(text_at(metadata, "creationTimestamp"), now),
        text_at(spec, "selector"),
        spec.get("startTime"),
        spec.get("endTime"),
        len(array_at(status, "files")),
    )


def shown_state(spec: JsonObject, status: JsonObject, now: datetime) -> str:
    """Return the state to show: what runs or waits to, else why nothing does, else what was last.

    Before any report that is what the schedule says, or the reason of the condition Ready, as kubectl shows
    a pod's reason in the place of its phase.
    """
    state = status_state(status)
    if state in _GOING_ON:
        return state
    phase = schedule_of(spec).phase_at(now)
    if phase is Phase.SCHEDULED:
        return str(State.SCHEDULED)
    reason = text_at(condition(status, READY), "reason")
    if reason == "NoEndpoints" and phase is Phase.RUNNING:
        return reason
    return state or (str(State.FINISHED) if phase is Phase.ENDED else reason)


def human_bytes(count: int) -> str:
    """Return a number of bytes as people read it: `0`, `812`, `1.2Ki`, `34Mi`."""
    step, one_digit = 1024, 9.95
    size, units = float(count), ["", "Ki", "Mi", "Gi", "Ti"]
    # Rounded first, so that no number reaches the next unit by how it is shown.
    while round(size) >= step and len(units) > 1:
        size /= step
        units.pop(0)
    digits = 1 if size != count and size < one_digit else 0
    return f"{size:.{digits}f}{units[0]}"
