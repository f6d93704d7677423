"""The schema of a capture's limits (DESIGN 9.3)."""

from apiserver.resource.schema.parts import byte_size, duration, number, ours, structure
from apiserver.resource.spec.badvalues import MAX_INT64
from apiserver.resource.spec.codec import MAX_FILES

_NOT_YET = "Kept, but not acted upon yet: files grow until the capture ends."

LIMITS = structure(
    "PacketCaptureLimits",
    ours(
        "Bounds of the capture, for each interface of each selected pod by itself. The first of packets, "
        "bytes and duration that is reached ends it there; raised, it goes on from the count so far."
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
                "(ten million) or 10Mi (10485760). The packet that reaches it is the last. Absent: no such limit."
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
                "How many ended files of each interface are kept beside the one that is written; the oldest "
                f"go. {_NOT_YET}"
            ),
            1,
            MAX_FILES,
        ),
        "fileSize": byte_size(
            ours(
                "How large a file gets before the next one begins: an integer or a quantity, at least 1Mi, "
                f"such as 10M. {_NOT_YET}"
            )
        ),
        "rotateEvery": duration(
            ours(
                "How long a file is written before the next one begins: a duration of at least 1s, such as "
                f"10m. {_NOT_YET}"
            )
        ),
    },
)
