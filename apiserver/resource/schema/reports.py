"""The schema of a PacketCaptureReport: what a node's agent tells the server (DESIGN 9.1). Never stored."""

from apiserver.jsontypes import JsonObject
from apiserver.resource.schema.parts import atomic_list, count, structure, text, truth
from apiserver.resource.schema.status import ENDPOINT

_CAPTURE = structure(
    "PacketCaptureReportItem",
    "PacketCaptureReportItem is one capture as it is on the node.",
    {
        "namespace": text("Namespace of the capture."),
        "name": text("Name of the capture."),
        "uid": text(
            "UID of the capture: a report about an earlier object of that name is rejected."
        ),
        "observedGeneration": count("The metadata.generation that the node acts on."),
        "directory": text("Directory of its files on the node."),
        "fileNames": atomic_list(text("Name of a file."), "Names of its files."),
        "endpoints": atomic_list(ENDPOINT, "Its endpoints on the node."),
    },
)

_SPEC = structure(
    "PacketCaptureReportSpec",
    "What the agent says.",
    {
        "node": text("Name of the node, which must be the caller's own."),
        "bootID": text("Identity of the agent's run."),
        "sequence": count(
            "Number of the report within the run: late and repeated ones change nothing."
        ),
        "full": truth("True if captures holds all that the node has, not only what has changed."),
        "captures": atomic_list(_CAPTURE, "The captures."),
    },
)

_REJECTED = structure(
    "PacketCaptureReportRejection",
    "PacketCaptureReportRejection is a capture of the report that the server did not take.",
    {
        "uid": text("UID of the capture, as reported."),
        "reason": text("Why it was not taken."),
    },
)

_STATUS = structure(
    "PacketCaptureReportStatus",
    "The server's answer.",
    {
        "accepted": atomic_list(
            text("UID of a capture."), "UIDs of the captures that were taken."
        ),
        "rejected": atomic_list(_REJECTED, "Captures that were not taken."),
    },
)


def report_schema(object_meta: JsonObject) -> JsonObject:
    """Return the schema of a PacketCaptureReport; `object_meta` is as in `schema.kind_schema`."""
    return {
        "type": "object",
        "description": (
            "PacketCaptureReport is made by the agent of a node to say what it captures. It is answered "
            "and not stored; nobody else needs to make one."
        ),
        "properties": {"metadata": object_meta, "spec": _SPEC, "status": _STATUS},
    }
