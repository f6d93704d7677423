"""Forms and media types."""

from tests.conformance.sidebyside.differences import decision

REPRESENTATION = (
    decision(
        "No protobuf",
        "We speak JSON and YAML. Clients of custom groups ask for JSON, and those that prefer protobuf "
        "(the garbage collector, metadata clients) name JSON as the next best. kube-apiserver makes protobuf "
        "of a custom resource's metadata and errors, and drops the connection when it is sent some.",
        (
            "…",
            "message",
            '…application/yaml"',
            '…application/yaml, application/vnd.kubernetes.protobuf"',
        ),
        (
            "…",
            "message",
            '…;stream=watch"',
            '…;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"',
        ),
        (
            "bodies: protobuf",
            "answer",
            "415 UnsupportedMediaType: …",
            "0: Remote end closed connection…",
        ),
        ("forms: protobuf", "answer", "406 NotAcceptable: …", "406: (protobuf)"),
        (
            "metadata only: as the garbage collector asks",
            "body",
            '{"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", …',
            '"(protobuf)"',
        ),
        (
            "metadata only: as the garbage collector asks",
            "header content-type",
            '"application/json"',
            '"application/vnd.kubernetes.protobuf"',
        ),
        (
            "metadata only: as the garbage collector asks",
            "layout",
            "compact, ends with a newline",
            "compact, does not end with a newline",
        ),
    ),
    decision(
        "Tables of our own",
        "`kubectl get` shows what matters of a capture. The CustomResourceDefinition of the comparison "
        "names no columns.",
        (
            "…",
            "…columnDefinitions",
            '[{"description": "Name of the capture.…',
            '[{"description": "Name must be unique…',
        ),
        (
            "…",
            "…cells",
            '["…", "", 0, 0, 0, "0", "some age", "…", null, null, 0]',
            '["…", "some age"]',
        ),
    ),
    decision(
        "One object is no list",
        "Asked for one object as a list, or for a list as one object, we answer 406: as for built-in kinds, but "
        "without the type that Go has for it.",
        (
            "metadata only: of one, asked as a list",
            "answer",
            "406 NotAcceptable: …",
            "500: content is not a list",
        ),
        (
            "metadata only: of one, or all of it",
            "answer",
            "406 NotAcceptable: …",
            "500: content is not a list",
        ),
        (
            "metadata only: of the list, asked as one",
            "message",
            '"you requested PartialObjectMetadata, but the requested object is a list"',
            '"you requested PartialObjectMetadata, but the requested object is a list (…)"',
        ),
    ),
    decision(
        "The status is always there",
        "As of a built-in kind, whose status is a structure and not a pointer: clients need not ask whether there is one. "
        "For the same reason a status of nothing and an empty one are the same, and to change one into the "
        "other changes nothing.",
        ("…", "… status", "{}", "(nothing)"),
        *(
            (
                f"status of nothing: {what}",
                "body metadata resourceVersion",
                f'"version {ours} of a"',
                f'"version {theirs} of a"',
            )
            for what, ours, theirs in (
                ("an empty one", 1, 2),
                ("none in the body", 1, 3),
                ("one", 2, 4),
                ("none any more", 3, 5),
            )
        ),
        ("…", "message", '…, \\"status\\": {}}: …', "…Invalid value: {…}: …"),
        ("…", "causes", '…, \\"status\\": {}}: …', "…Invalid value: {…}: …"),
    ),
    decision(
        "An empty `continue` is left out",
        "As in lists of built-in kinds. Clients take both for the end.",
        ("…", "… continue", "(nothing)", '""'),
    ),
)
