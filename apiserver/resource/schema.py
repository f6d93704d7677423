"""The schema of a PacketCapture: one source for structure, OpenAPI and what kubectl explains.

Facts: calico-semantics 1.2 for the spec, DESIGN 9.2 for the status. `x-kubernetes-list-type` says
how server-side apply merges a list; fields beyond Calico's are marked as ours.
"""

from apiserver.jsontypes import JsonArray, JsonObject
from apiserver.resource.types import GROUP, KIND, VERSION, State

_COUNTERS: dict[str, str] = {
    "packets": "Packets captured.",
    "bytes": "Bytes captured, headers of the capture file not counted.",
    "dropped": "Packets that passed the filter and are in no file: the sum of all losses.",
}


def _text(description: str) -> JsonObject:
    return {"type": "string", "description": description}


def _count(description: str) -> JsonObject:
    return {"type": "integer", "format": "int64", "description": description}


def _time(description: str) -> JsonObject:
    return {"type": "string", "format": "date-time", "description": description}


def _int_or_string(description: str) -> JsonObject:
    return {"x-kubernetes-int-or-string": True, "description": description}


def _atomic_list(items: JsonObject, description: str) -> JsonObject:
    return {
        "type": "array",
        "description": description,
        "items": items,
        "x-kubernetes-list-type": "atomic",
    }


def _map_list(items: JsonObject, keys: JsonArray, description: str) -> JsonObject:
    return {
        "type": "array",
        "description": description,
        "items": items,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": keys,
    }


_FILTER: JsonObject = {
    "type": "object",
    "description": "A rule: a packet must be of the protocol and have one of the ports.",
    "properties": {
        "protocol": _int_or_string(
            "The protocol: TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite, or a number from 1 to 255. "
            "Absent means any."
        ),
        "ports": _atomic_list(
            _int_or_string(
                "A port (80), a range (8000:8080), or the name of a port of the pod's containers."
            ),
            "Ports of which one must be the packet's source or destination port. "
            "Absent or empty means any.",
        ),
    },
}

_SPEC: JsonObject = {
    "type": "object",
    "description": "What to capture, and when.",
    "properties": {
        "selector": {
            "type": "string",
            "default": "all()",
            "description": (
                "A Calico selector over the labels of this namespace's pods, such as "
                "app == 'web' && tier in {'front', 'edge'}. Absent or empty selects all()."
            ),
        },
        "filters": _atomic_list(
            _FILTER,
            "Rules of which a packet must meet at least one. Absent or empty captures everything.",
        ),
        "startTime": _time("When to begin, as RFC 3339. Absent or past means now."),
        "endTime": _time(
            "When to end, as RFC 3339; set it to now to end a running capture. Absent means never."
        ),
    },
}

_STATE: JsonObject = {
    "type": "string",
    "enum": [str(each) for each in State],
    "description": (
        "Scheduled: begins later. WaitingForTraffic: attached, nothing captured yet. "
        "Capturing: has captured packets. Finished: captures no more. Error: see message."
    ),
}

_ENDPOINT: JsonObject = {
    "type": "object",
    "description": "One interface of one selected pod (ours, not Calico's).",
    "required": ["podUID", "interface"],
    "properties": {
        "pod": _text("Name of the pod."),
        "podUID": _text("UID of the pod."),
        "interface": _text(
            "Name of the interface: the node's end of the pod's link, or the pod's own with --tap=pod."
        ),
        "state": _STATE,
        **{name: _count(text) for name, text in _COUNTERS.items()},
        "droppedRing": _count("Packets that the kernel dropped because the ring was full."),
        "droppedWriter": _count("Packets that could not be written to the file."),
        "lossless": {"type": "boolean", "description": "True if no packet was lost."},
        "stopReason": _text("Why the capture of this endpoint ended."),
        "message": _text("What is wrong, and what would be right."),
    },
}

_NODE: JsonObject = {
    "type": "object",
    "description": "The capture on one node that has selected pods.",
    "required": ["node"],
    "properties": {
        "node": _text("Name of the node."),
        "directory": _text("Directory on the node that holds the files."),
        "fileNames": _atomic_list(_text("Name of a file."), "Names of the files, sorted."),
        "state": _STATE,
        "endpoints": _map_list(
            _ENDPOINT,
            ["podUID", "interface"],
            "What was captured, and what was lost, per endpoint.",
        ),
        "observedGeneration": _count("The generation of the spec that the node acts on."),
        "observedTime": _time("When the server took the node's last report."),
        "bootID": _text("The run of the node's agent that reported last."),
        "sequence": _count("The number of that report in its run."),
    },
}

_STATUS: JsonObject = {
    "type": "object",
    "description": "What is being captured, written by the server from the nodes' reports.",
    "properties": {
        "files": _map_list(_NODE, ["node"], "One entry for each node that has selected pods."),
        "pods": _count("Pods selected so far (ours)."),
        **{name: _count(f"{text} Over all nodes (ours).") for name, text in _COUNTERS.items()},
    },
}


def kind_schema(object_meta: JsonObject) -> JsonObject:
    """Return the schema of a PacketCapture; `object_meta` is the schema of, or a reference to, metadata."""
    return {
        "type": "object",
        "description": "PacketCapture captures the packets of the pods that it selects.",
        "x-kubernetes-group-version-kind": [{"group": GROUP, "version": VERSION, "kind": KIND}],
        "properties": {
            "apiVersion": _text("The version of this schema: projectcalico.org/v3."),
            "kind": _text("PacketCapture."),
            "metadata": object_meta,
            "spec": _SPEC,
            "status": _STATUS,
        },
    }
