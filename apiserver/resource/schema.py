"""The schema of a PacketCapture: one source for structure, patches, OpenAPI and `kubectl explain`.

Facts: calico-semantics 1.2 for the spec, DESIGN 9.2 for the status. `x-kubernetes-list-type` says
how server-side apply merges a list, `x-kubernetes-patch-*` how a strategic merge patch does.
"""

from apiserver.jsontypes import JsonObject
from apiserver.resource.schemaparts import atomic_list, int_or_string, moment, structure, text
from apiserver.resource.statusschema import STATUS
from apiserver.resource.types import GROUP, KIND, VERSION

_RULE = structure(
    "PacketCaptureRule",
    "PacketCaptureRule is met by a packet that is of the protocol and has one of the ports; what the "
    "rule leaves out does not matter.",
    {
        "protocol": int_or_string(
            "The protocol that IP carries: TCP, UDP, ICMP, ICMPv6, SCTP or UDPLite, in exactly this "
            "spelling, or its number, from 1 to 255 (47 is GRE). Absent: any protocol."
        ),
        "ports": atomic_list(
            int_or_string(
                "A port from 1 to 65535 (80), a range with both its ends (8000:8080), or the name of a "
                "port of the pod's containers (http)."
            ),
            "Ports, of which one must be the packet's source or destination. Each is a number from 1 "
            "to 65535, such as 80; a range with both its ends, such as 8000:8080; or the name that the "
            "pod's containers give a port, such as http. On a pod that has no port of a name, the name "
            "matches nothing. The protocol must be one that has ports (TCP, UDP, SCTP), or absent. "
            "Absent or empty: any packet, also one without ports.",
        ),
    },
)

_SPEC = structure(
    "PacketCaptureSpec",
    "Which pods, which of their packets, and when. A change is acted upon at once, also while the "
    "capture runs.",
    {
        "selector": text(
            "Which pods of the capture's own namespace: a Calico selector over their labels. Compare "
            "with ==, !=, in, not in, contains, starts with, ends with; ask with has(label); join with "
            "&&, || and !, and group with parentheses. Texts stand in single or double quotes. Pods that "
            "start, or get the labels, later on are captured from then on. Pods of the host's network "
            "are never selected. Default: all(), every pod; an empty text means the same.\n"
            "Examples: app == 'web'\n"
            "app == 'web' && tier in {'front', 'edge'}\n"
            "has(debug) && !(env == 'prod')"
        )
        | {"default": "all()"},
        "filters": atomic_list(
            _RULE,
            "Which packets: those that meet at least one of these rules, in either direction. Absent or "
            "empty: every packet.\n"
            "Example, web traffic and all ICMP (as tcpdump's 'tcp port 80 or tcp port 443 or icmp'): "
            "[{protocol: TCP, ports: [80, 443]}, {protocol: ICMP}]",
        ),
        "startTime": moment(
            "When to begin: a time of RFC 3339, such as 2026-01-02T15:00:00Z or "
            "2026-01-02T16:00:00+01:00; it is kept in UTC and whole seconds. Moved into the future it "
            "interrupts a capture that runs. Absent or past: at once."
        ),
        "endTime": moment(
            "When to end: a time as in startTime, and later than that. Set it to the present to end a "
            "capture that runs; its files stay until the object is deleted. Moved into the future it "
            "resumes the capture. Absent: never."
        ),
    },
    has_default=True,
)


def kind_schema(object_meta: JsonObject) -> JsonObject:
    """Return the schema of a PacketCapture; `object_meta` is the schema of, or a reference to, metadata."""
    return {
        "type": "object",
        "description": (
            "PacketCapture captures the packets of the pods that it selects, on whatever nodes they run, "
            "into files that tcpdump and Wireshark read. The files lie on the nodes; the subresource "
            "files lists and downloads them:\n"
            "kubectl get --raw /apis/projectcalico.org/v3/namespaces/NAMESPACE/packetcaptures/NAME/files\n"
            "Deleting the object deletes its files."
        ),
        "x-kubernetes-group-version-kind": [{"group": GROUP, "version": VERSION, "kind": KIND}],
        "properties": {
            "apiVersion": text("The version of this schema: projectcalico.org/v3."),
            "kind": text("PacketCapture."),
            "metadata": object_meta,
            "spec": _SPEC,
            "status": STATUS,
        },
    }
