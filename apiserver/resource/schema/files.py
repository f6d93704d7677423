"""The schema of what the subresource `files` lists: the capture files that lie on the nodes."""

from apiserver.jsontypes import JsonObject
from apiserver.resource.schema.parts import atomic_list, count, structure, text, truth
from apiserver.resource.types import FILE_LIST_KIND, GROUP, VERSION

_FILE = structure(
    "PacketCaptureFileListItem",
    "PacketCaptureFileListItem is one capture file on one node.",
    {
        "node": text("Name of the node that the file lies on."),
        "name": text("Name of the file: files/NODE/NAME downloads it."),
        "pod": text("Name of the pod whose packets it holds."),
        "interface": text("Name of the interface that they were captured on."),
        "size": count("Length of the file at this moment, in bytes."),
        "active": truth(
            "True while the file grows. It may be downloaded all the same, as long as it is then."
        ),
    },
)

_UNREACHABLE = structure(
    "PacketCaptureUnreachableNode",
    "PacketCaptureUnreachableNode is a node whose files could not be listed.",
    {
        "node": text("Name of the node."),
        "reason": text("Why it could not be asked; for people."),
    },
)

FILE_LIST: JsonObject = structure(
    FILE_LIST_KIND,
    "PacketCaptureFileList is the files of a capture, as the nodes list them when they are asked.",
    {
        "apiVersion": text("The version of this schema: projectcalico.org/v3."),
        "kind": text(f"{FILE_LIST_KIND}."),
        "metadata": {"type": "object", "description": "Always empty."},
        "items": atomic_list(_FILE, "The files, by node and by name."),
        "unreachableNodes": atomic_list(
            _UNREACHABLE,
            "Nodes that could not be asked. The list is whole only if there are none.",
        ),
    },
    required=("items", "unreachableNodes"),
) | {
    "x-kubernetes-group-version-kind": [
        {"group": GROUP, "version": VERSION, "kind": FILE_LIST_KIND}
    ]
}
