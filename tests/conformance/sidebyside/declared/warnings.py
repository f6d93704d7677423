"""What is said beside an answer."""

import json

from tests.conformance.sidebyside.differences import decision


def _header(*texts: str) -> str:
    """Return a header with these Warnings, as a difference shows it."""
    return json.dumps([f'299 - "{text}"' for text in texts], ensure_ascii=False)


_NO_PODS = "which pods it selects is not known here now"
_ALL = "filter: none, all packets are captured"
_EVERY_PACKET = "spec.filters[0]: an empty rule is met by every packet: all are captured"
_UNKNOWN_FIELDS = (
    r"unknown field \"spec.bogus\"",
    r"unknown field \"spec.filters[0].protocl\"",
)

WARNINGS = (
    decision(
        "Explain before capture",
        "A try on the server (`kubectl create --dry-run=server`, `kubectl diff`) of a new capture, or of another spec, "
        "answers in Warnings what the write would do: which pods are selected on which nodes, which of them cannot be "
        "captured and why, and what became of the filter. The server of the comparison may not see pods, and says so.",
        *(
            (request, "header warning", _header(_NO_PODS, _ALL), "(nothing)")
            for request in (
                "create: as a try",
                "create: as a try, of a name that is taken",
                "generateName: a prefix as a try",
                "create where it cannot be: a version, as a try",
                "options: two tries",
                "update: as a try",
                "merge patch: as a try",
                "JSON patch: as a try",
                "apply over other writes: as a try",
                # Random ones.
                "… as a try",
            )
        ),
        (
            "apply: by force, as a try",
            "header warning",
            _header(_NO_PODS, "filter: tcp port 80 (… instructions)"),
            "(nothing)",
        ),
        (
            "… as a try",
            "header warning",
            _header(_NO_PODS, "filter: … (… instructions)"),
            "(nothing)",
        ),
    ),
    decision(
        "Warnings of what is accepted",
        "It is right, and yet it may not be what its author meant: an end that has passed when the capture is created, "
        "a rule that every packet meets, a protocol and its ports in two rules. kube-apiserver knows what a schema says. "
        "Who creates a capture without `spec.limits` is told how little nodes keep by default: so are most requests "
        "here, and it is left out of the comparison.",
        *(
            (request, "header warning", _header(_EVERY_PACKET), "(nothing)")
            for request in (
                "create: an empty filter",
                "wrong types: a filter that is null",
                "unknown and duplicate fields: unknown: Ignore",
            )
        ),
        *(
            (
                f"unknown and duplicate fields: unknown: {how}",
                "header warning",
                _header(*_UNKNOWN_FIELDS, _EVERY_PACKET),
                _header(*_UNKNOWN_FIELDS),
            )
            for how in ("by default", "empty", "Warn")
        ),
        (
            "create with Warnings: an end that has passed",
            "header warning",
            _header(
                "spec.endTime: 2001-01-03T00:00:00Z has passed (it is …Z): nothing will be captured"
            ),
            "(nothing)",
        ),
        (
            "create with Warnings: a protocol and ports in two rules",
            "header warning",
            _header(
                "spec.filters: a packet need meet one rule only: [0] is met by all TCP, [1] by port 80 of any protocol; "
                "if both should be true of a packet, write one rule: {protocol: TCP, ports: [80]}"
            ),
            "(nothing)",
        ),
    ),
)
