"""The schema of a PacketCapture: one source for structure, patches, OpenAPI and `kubectl explain`.

Facts: calico-semantics 1.2 for the spec, DESIGN 9.2 for the status. `x-kubernetes-list-type` says
how server-side apply merges a list, `x-kubernetes-patch-*` how a strategic merge patch does.
"""

from apiserver.jsontypes import JsonObject
from apiserver.resource.schema.limits import LIMITS
from apiserver.resource.schema.parts import (
    atomic_list,
    moment,
    number,
    ours,
    structure,
    text,
    truth,
)
from apiserver.resource.schema.rules import RULE
from apiserver.resource.schema.status import STATUS
from apiserver.resource.spec.codec import MAX_SNAP_LENGTH, MAX_TTL_SECONDS
from apiserver.resource.types import GROUP, KIND, VERSION

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
            "are never selected. Absent or empty: all(), every pod.\n"
            "Examples: app == 'web'\n"
            "app == 'web' && tier in {'front', 'edge'}\n"
            "has(debug) && !(env == 'prod')"
        )
        | {"default": "all()"},
        "filters": atomic_list(
            RULE,
            "Which packets: those that meet at least one of these rules. Absent or empty: every packet. "
            "At most 128 rules, and in all of them together at most 128 ports, 128 networks, 128 "
            "tcpFlags and 16 KiB of expressions.\n"
            "Examples: [{protocol: TCP, ports: [80, 443]}, {protocol: ICMP}]\n"
            "[{protocol: UDP, ports: [53], direction: Out}]\n"
            "[{tcpFlags: [SYN+!ACK, RST], dstNets: [10.0.0.0/8]}]",
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
        "snapLength": number(
            ours(
                "How many bytes of each packet are kept, from its link header on; its true length is kept "
                "too. Example: 128 keeps the headers of most packets. Absent or 0: all."
            ),
            0,
            MAX_SNAP_LENGTH,
        ),
        "headersOnly": truth(
            ours(
                "Keep only the headers of each packet: link, network and transport (TCP with its options, "
                "UDP, SCTP, ICMP, ICMPv6), and none of what they carry; the kernel cuts it off. Of later "
                "fragments, and of other protocols, what follows the network header is cut off; ARP is kept "
                "whole. At most four VLAN tags and five IPv6 extension headers count as headers. With "
                "snapLength, the lesser of both. Absent: false."
            )
        ),
        "limits": LIMITS,
        "ttlSecondsAfterFinished": number(
            ours(
                "The object, and its files with it, is deleted so many seconds after the capture has "
                "finished everywhere (condition Complete). 0: at once, before anybody can fetch the "
                "files. Example: 86400, a day. Absent: never."
            ),
            0,
            MAX_TTL_SECONDS,
            bits=32,
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
