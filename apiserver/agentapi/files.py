"""What the server asks of an agent: the files of a capture, and what the agent answers. Pure.

It asks over HTTPS, with client certificates on both sides (DESIGN 9.4).
"""

from dataclasses import dataclass

from apiserver.jsontypes import JsonObject, array_at, integer_at, text_at

# The port of an agent's pod that serves files.
FILES_PORT_NAME = "files"

CAPTURE_MEDIA_TYPE = "application/vnd.tcpdump.pcap"

# Who asked, for the agent's log; set by the server only.
USER_HEADER = "X-Packetcapture-User"


def files_path(namespace: str, name: str) -> str:
    """Return the agent's path of a capture's files; the capture's uid goes with it as `?uid=`."""
    return f"/v1/namespaces/{namespace}/packetcaptures/{name}/files"


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One capture file on one node; `size` in bytes is what may be read of it now."""

    name: str
    pod: str
    interface: str
    size: int
    active: bool

    def to_json(self) -> JsonObject:
        """Render the item as the agent lists it (the server adds the node)."""
        return {
            "name": self.name,
            "pod": self.pod,
            "interface": self.interface,
            "size": self.size,
            "active": self.active,
        }

    @classmethod
    def from_json(cls, document: JsonObject) -> "FileEntry":
        """Read an item; what is missing or of another type counts as absent."""
        return cls(
            name=text_at(document, "name"),
            pod=text_at(document, "pod"),
            interface=text_at(document, "interface"),
            size=integer_at(document, "size"),
            active=document.get("active") is True,
        )


@dataclass(frozen=True, slots=True)
class FileList:
    """What an agent answers to a listing."""

    items: tuple[FileEntry, ...] = ()

    def to_json(self) -> JsonObject:
        """Render the listing."""
        return {"items": [each.to_json() for each in self.items]}

    @classmethod
    def from_json(cls, document: JsonObject) -> "FileList":
        """Read a listing."""
        items = array_at(document, "items")
        return cls(tuple(FileEntry.from_json(each) for each in items if isinstance(each, dict)))
