"""The schema of a capture's limits (DESIGN 9.3)."""

from typing import Final

from apiserver.resource.schema.parts import byte_size, duration, number, ours, structure
from apiserver.resource.spec.badvalues import MAX_INT64
from apiserver.resource.spec.codec import MAX_FILES

# What holds where a capture says nothing, and how far it may go, is of each node (calico-semantics 6.2).
_AT_MOST: Final = "A node may have a maximum; a message of the endpoint tells where it holds."

LIMITS = structure(
    "PacketCaptureLimits",
    ours(
        "Bounds of the capture, for each interface of each selected pod by itself. The first of packets, "
        "bytes and duration that is reached ends it there; raised, it goes on from the count so far. files, "
        "fileSize and rotateEvery end nothing: of a capture that goes on, the latest packets are kept."
    ),
    {
        "packets": number(
            ours("End after so many packets, exactly. Example: 1000. Absent: no such limit."),
            1,
            MAX_INT64,
        ),
        "bytes": byte_size(
            ours(
                "End when the kept packets have so many bytes: an integer, or a quantity such as 500k, 10M "
                "(ten million) or 10Mi (10485760). The packet that reaches it is the last. No more than files and fileSize hold is kept. Absent: no such limit."
            )
        ),
        "duration": duration(
            ours(
                "End after so much time of capturing, over all runs: hours, minutes and seconds, such as "
                "30s, 5m or 1h30m. Absent: no such limit."
            )
        ),
        "files": number(
            ours(
                "How many ended files of each interface are kept beside the one that is written; older ones "
                f"are removed. Absent: what the node says, Felix's CaptureMaxFiles, usually 2. {_AT_MOST}"
            ),
            1,
            MAX_FILES,
        ),
        "fileSize": byte_size(
            ours(
                "How large a file gets before the next one begins: an integer or a quantity, at least 1Mi, "
                "such as 100M. No file is larger, but for a packet that alone is. Absent: what the node "
                f"says, Felix's CaptureMaxSizeBytes, usually 10M. {_AT_MOST}"
            )
        ),
        "rotateEvery": duration(
            ours(
                "How long after its first packet a file is ended and the next one begins: a duration of at "
                "least 1s, such as 10m. Absent: what the node says, Felix's CaptureRotationSeconds, "
                "usually an hour."
            )
        ),
    },
)
