"""What an object may be."""

from tests.conformance.sidebyside.differences import decision

_DECODED = '400 BadRequest: PacketCapture in version "v3" cannot be handled as a PacketCapture: …'

_WRONG_TYPES = (
    "a selector that is a number",
    "a selector that is a list",
    "filters that are an object",
    "a filter that is a text",
    "ports that are a number",
    "a port that is an object",
    "a port that is a fraction",
    "a protocol that is a boolean",
    "a time that is a number",
    "a time that is none",
    "a spec that is a text",
    "a spec that is a list",
)

CONTENT = (
    decision(
        "Names that Calico allows",
        "Letters of both cases, digits, `.`, `_` and `-`, the first and the last one a letter or a digit; kube-apiserver "
        "wants a DNS-1123 subdomain of a custom resource. What is not one gets a Warning, since some tools expect it.",
        (
            "create where it cannot be: a name that Calico allows",
            "answer",
            "201 PacketCapture",
            "422 Invalid: …a lowercase RFC 1123 subdomain…",
        ),
        (
            "create where it cannot be: a name that Calico allows",
            "header warning",
            "[\"299 - …'A_b' is not a DNS-1123 subdomain; some tools expect one…\"]",
            "(nothing)",
        ),
        (
            "…",
            "message",
            "…a name consists of letters, digits, '-', '_' and '.'…",
            "…a lowercase RFC 1123 subdomain…",
        ),
        (
            "…",
            "causes",
            "…a name consists of letters, digits, '-', '_' and '.'…",
            "…a lowercase RFC 1123 subdomain…",
        ),
    ),
    decision(
        "Rules that a schema cannot say",
        "A selector that does not parse, ports of a protocol without ports, an end before the start: refused when they "
        "are written, not noticed when nothing is captured.",
        (
            "values that only we know to be wrong: a selector that does not parse",
            "answer",
            '422 Invalid: …spec.selector: Invalid value: "app =="…',
            "201 PacketCapture",
        ),
        (
            "values that only we know to be wrong: a port out of range",
            "answer",
            "4…spec.filters[0].ports[0]: Invalid value: 70000…",
            "201 PacketCapture",
        ),
        (
            "values that only we know to be wrong: a range backwards",
            "answer",
            '4…spec.filters[0].ports[0]: Invalid value: "9:8"…',
            "201 PacketCapture",
        ),
        (
            "values that only we know to be wrong: a protocol that there is not",
            "answer",
            '422 Invalid: …spec.filters[0].protocol: Invalid value: "FOO"…',
            "201 PacketCapture",
        ),
        (
            "values that only we know to be wrong: ports of a protocol that has none",
            "answer",
            "422 Invalid: …spec.filters[0].ports: Forbidden…",
            "201 PacketCapture",
        ),
        (
            "values that only we know to be wrong: an end before the start",
            "answer",
            "422 Invalid: …spec.endTime…",
            "201 PacketCapture",
        ),
        (
            "values that only we know to be wrong: an empty selector",
            "body spec selector",
            '"all()"',
            '""',
        ),
    ),
    decision(
        "Wrong types are refused when they are read",
        "With 400, as of built-in kinds; in a patch with 422 and the cause `patch`. kube-apiserver reads any custom resource and has its schema judge afterwards: 422.",
        *((f"wrong types: {what}", "answer", _DECODED, "422 Invalid: …") for what in _WRONG_TYPES),
        ("status of wrong values: a text", "answer", _DECODED, "422 Invalid: …"),
        ("status of wrong values: a number that is a text", "answer", _DECODED, "422 Invalid: …"),
        ("status of wrong values: a time that is none", "answer", _DECODED, "422 Invalid: …"),
        *(
            (request, aspect, ours, theirs)
            for request in (
                "merge patch that cannot be: a selector that is a number",
                "merge patch that cannot be: filters that are an object",
                "JSON patch that cannot be: a wrong type",
                "JSON patch that cannot be: replace what there is not",
            )
            for aspect, ours, theirs in (
                (
                    "message",
                    '" \\"\\" is invalid: patch: Invalid value: …',
                    '"PacketCapture.projectcalico.org \\"a\\" is invalid: spec.…',
                ),
                ("causes", '[{"field": "patch", …', '[{"field": "spec.…'),
                (
                    "details",
                    "{}",
                    '{"group": "projectcalico.org", "kind": "PacketCapture", "name": "a"}',
                ),
            )
        ),
    ),
    decision(
        "The path says which kind it is",
        "apiVersion and kind may be left out, as of built-in kinds; another one is refused when the body is read: "
        "400, in a patch 422 with the cause `patch`. A custom resource is refused only by the validation of its metadata, "
        "and its fields are unknown by then.",
        (
            "create where it cannot be: no apiVersion",
            "answer",
            "201 PacketCapture",
            "400 BadRequest: …",
        ),
        ("create where it cannot be: no kind", "answer", "201 PacketCapture", "400 BadRequest: …"),
        (
            "create where it cannot be: another kind",
            "answer",
            "400 BadRequest: …",
            '422 Invalid: …kind: Invalid value: "Other": must be PacketCapture',
        ),
        *(
            (
                f"bodies: {what}",
                "answer",
                "422 Invalid: …metadata.name: Required value…",
                "400 BadRequest: …Object 'Kind' is missing…",
            )
            for what in ("an empty object", "null", "an empty YAML document")
        ),
        ("update that cannot be: another kind", "answer", "400 BadRequest: …", "422 Invalid: …"),
        (
            "…: another version",
            "header warning",
            "(nothing)",
            '["299 - \\"unknown field \\\\\\"spec\\\\\\"…',
        ),
        ("merge patch that cannot be: no kind", "answer", "200 PacketCapture", "422 Invalid: …"),
        (
            "JSON patch that cannot be: the whole document",
            "answer",
            "400 BadRequest: …name must be provided",
            "422 Invalid: …Object 'Kind' is missing in '{}'",
        ),
        *(
            (f"merge patch that cannot be: {what}", aspect, ours, theirs)
            for what in ("another kind", "another version")
            for aspect, ours, theirs in (
                (
                    "message",
                    '" \\"\\" is invalid: patch: Invalid value: …',
                    '"… is invalid: …: must be …',
                ),
                ("causes", '[{"field": "patch", …', '[{"field": "…", "message": "…: must be …'),
                ("details", "{}", '{"group": "projectcalico.org", …}'),
            )
        ),
    ),
    decision(
        "Null is nothing",
        "Null for a list is none, and null in a list is an item without anything, as in Go's structures. Of a custom "
        "resource the null stays, and is then of the wrong type.",
        ("apply of nulls: null for a list", "answer", "200 PacketCapture", "422 Invalid: …"),
        ("wrong types: a filter that is null", "answer", "201 PacketCapture", "422 Invalid: …"),
    ),
)
