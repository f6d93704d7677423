"""The schema of a capture's status (calico-semantics 1.6, DESIGN 9.2), as users read it."""

from apiserver.jsontypes import JsonObject
from apiserver.resource.schema.parts import (
    atomic_list,
    count,
    map_list,
    moment,
    ours,
    structure,
    text,
    truth,
)
from apiserver.resource.status.bounds import STATUS_BYTES
from apiserver.resource.types import State

_STATES = """\
Scheduled: spec.startTime is to come.
WaitingForTraffic: attached; every packet from now on is captured, none has come yet.
Capturing: packets have been captured.
Finished: no more will come.
Error: nothing is captured here, and it is tried again without being asked."""

_GAP = structure(
    "PacketCaptureGap",
    ours("PacketCaptureGap is a time in which packets were neither captured nor counted."),
    {
        "from": moment("When it began, to the microsecond."),
        "to": moment("When it ended; while it goes on, the same as from."),
        "reason": text(
            "Why: AgentRestart (the agent was not there, from the last packet on that is known of), "
            "OutOfSight (the agent did not see the object, or could not read it), DiskPressure (there was no "
            "room for more), Error (it had failed, and was tried again), or another word; Mixed where it stands for several that differ."
        ),
    },
    required=("from", "to"),
)


def _state(description: str) -> JsonObject:
    return {
        "type": "string",
        "enum": [str(each) for each in State],
        "description": f"{description}\n{_STATES}",
    }


ENDPOINT = structure(
    "PacketCaptureEndpoint",
    ours("PacketCaptureEndpoint is one network interface of one selected pod."),
    {
        "pod": text("Name of the pod."),
        "podUID": text(
            "UID of the pod: a pod that is made anew under its old name has another. Empty where the "
            "entry stands for several."
        ),
        "interface": text(
            "Name of the interface, as it stands in the names of the files: the node's end of the "
            "pod's link, such as cali12ab34cd56e, or the pod's own, such as eth0, where the agent "
            "captures inside the pods. Empty while none of the pod is known, and where the entry "
            "stands for several endpoints that have ended; for several others it is their state, or "
            "unreported."
        ),
        "state": _state("How far the capture is here."),
        "packets": count("Packets captured here, with those whose files have been removed."),
        "bytes": count(
            "Length of these packets as they are, or were, in the files, in bytes, without the headers that the "
            "file format adds."
        ),
        "droppedRing": count(
            "Packets that the kernel dropped because they came faster than they could be written. "
            "Narrower filters help."
        ),
        "droppedWriter": count(
            "Packets that could not be written, as when the disk is full or fails."
        ),
        "dropped": count(
            "Packets that met the filters and were never in a file: droppedRing and droppedWriter together."
        ),
        "expiredPackets": count(
            "How many of packets are in files that were removed again, the oldest first: spec.limits.files "
            "and fileSize say how much is kept, and a full disk may keep less. What is in the files is "
            "packets less these."
        ),
        "expiredBytes": count("Length of these packets, as in bytes."),
        "gaps": atomic_list(
            _GAP,
            "When nothing was captured here though it should have been; how much that is nobody knows. At "
            "most 10: of more, the oldest become one. Absent if there are none.",
        ),
        "lossless": truth(
            "True if dropped and expiredPackets are 0 and there are no gaps: the files hold every packet "
            "that met the filters."
        ),
        "firstPacketTime": moment(
            "Time of the first packet that was captured here, to the microsecond; its file may have been "
            "removed since. Absent before it."
        ),
        "lastPacketTime": moment("Time of the last one so far."),
        "stopReason": text(
            "Why the state is Finished: EndTime, PacketLimit, ByteLimit or DurationLimit (of "
            "spec.limits), Deleted (the pod is gone), Unselected (the selector does not match the pod "
            "any more) or NoMatch (the pod has none of the ports that the filters name); Mixed where "
            "the entry stands for several that differ. With the state Error it is DiskPressure: there is "
            "no room for more on the node, and it goes on when there is."
        ),
        "message": text(
            "What is wrong, and what would be right; for people, such as: there is no agent on its "
            "node. Absent if all is well."
        ),
        "folded": count(
            "How many endpoints the entry stands for; absent if it is one. Of those that have ended a "
            "node tells at most 200 one by one."
        ),
    },
    required=("podUID", "interface"),
)

_FILE = structure(
    "PacketCaptureFile",
    "PacketCaptureFile is the capture on one node: its state, its files, its counters.",
    {
        "node": text("Name of the node."),
        "directory": text(
            "Directory of the files on that node, such as /var/log/calico/pcap/shop/http: the "
            "agent's directory, then the namespace and the name of the capture."
        ),
        "fileNames": atomic_list(
            text("Name of a file."),
            "Names of the files there, sorted. POD_INTERFACE.pcap is the latest; "
            "POD_INTERFACE-20260102T150000.000000Z.pcap is an earlier one, and has the time of its "
            "first packet: a new file begins when one is large or old enough (spec.limits), when filters "
            "change, when a capture that ended goes on, and with a new agent. All are pcap with nanoseconds, as tcpdump and Wireshark read it. "
            "The newest 500 are named.",
        ),
        "fileNamesOmitted": count(
            ours("How many older files there are beside those in fileNames; absent if none.")
        ),
        "state": _state(
            "How far the capture is on this node. Where its endpoints differ: Capturing if one is, "
            "else WaitingForTraffic, else Scheduled, else Finished; Error only if all are."
        ),
        "message": text(
            ours(
                "What is known of the node where its agent cannot be asked: since when it has not been "
                "heard of (state is what it said last), or that the node is gone, and its files with it "
                "(state is Error). Absent if all is well."
            )
        ),
        "endpoints": map_list(
            ENDPOINT,
            ["podUID", "interface"],
            ours("What was captured, and what was lost, for each interface of each selected pod."),
        ),
        "observedGeneration": count(
            ours(
                "The metadata.generation that the node acts on. While it is less than the object's, "
                "the node has not seen the last change of the spec."
            )
        ),
        "observedTime": moment(
            ours("When the node last had something new to say, by the server's clock.")
        ),
        "bootID": text(ours("Identity of the agent's run that reported last.")),
        "sequence": count(ours("Number of that report within its run.")),
    },
    required=("node",),
)

_CONDITION = structure(
    "PacketCaptureCondition",
    ours("PacketCaptureCondition is the answer to one question about the whole capture."),
    {
        "type": text("The question: Ready or Complete."),
        "status": {
            "type": "string",
            "enum": ["True", "False", "Unknown"],
            "description": "The answer: True, False or Unknown.",
        },
        "reason": text(
            "Why, in a word.\n"
            "Ready: AllAttached (True); NoEndpoints (the selector matches no pod), Scheduled, Waiting "
            "(for nodes to report), EndpointsFailed, DiskPressure (no room on a node), AgentUnreachable, "
            "Finished.\n"
            "Complete: True with the stop reason that all endpoints have in common (NodeGone of those on "
            "a node that is gone), else Mixed; False with SpecChanged, Scheduled, Running, OpenEnded "
            "(nothing runs, but pods that are selected later are captured until spec.endTime), Ending, "
            "AgentUnreachable."
        ),
        "message": text("Why, for people."),
        "lastTransitionTime": moment("When status last changed."),
        "observedGeneration": count("The metadata.generation that the answer is about."),
    },
    required=("type", "status"),
)

STATUS = structure(
    "PacketCaptureStatus",
    "How the capture goes, as the nodes report it: a new state at once, counters every ten seconds at "
    f"most. It has some {STATUS_BYTES >> 10} KiB at most: where there is more to say, endpoints that have ended and "
    "names of older files become numbers.",
    {
        "conditions": map_list(
            _CONDITION,
            ["type"],
            ours(
                "Ready: every endpoint that is selected is attached, so that no packet is missed from "
                "now on. Complete: nothing runs, and without an edit nothing will, because spec.endTime "
                "has passed or every endpoint has reached one of spec.limits; a change of the spec takes "
                "it back at once, and after limits so does a pod that is selected later."
            ),
        ),
        "files": map_list(
            _FILE,
            ["node"],
            "The capture on each node that has, or had, selected pods. A program that makes traffic "
            "of its own waits for state WaitingForTraffic before, and for Finished after it.",
        ),
        "pods": count(ours("Pods selected so far; pods that are gone still count.")),
        "packets": count(ours("Packets captured so far, on all nodes.")),
        "bytes": count(
            ours(
                "Length of these packets, in bytes, without the headers that the file format adds."
            )
        ),
        "dropped": count(
            ours(
                "Packets that met the filters and were never in a file. What was in one that has been removed "
                "does not count here: see files.endpoints.expiredPackets."
            )
        ),
    },
    has_default=True,
)
