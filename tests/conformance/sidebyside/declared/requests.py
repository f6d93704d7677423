"""What is asked where, and in which order it is refused."""

from tests.conformance.sidebyside.differences import decision

_NOT_ALLOWED = "the server does not allow this method on the requested resource"
_KINDLESS = "400 BadRequest: the object provided is unrecognized (must be of type PacketCapture): Object 'Kind' is missing in …"

REQUESTS = (
    decision(
        "Strategic merge patches",
        "`kubectl patch` sends one unless told otherwise, so it must work. Lists are merged as the schema says.",
        (
            "strategic merge patch: a selector",
            "answer",
            "200 PacketCapture",
            "415 UnsupportedMediaType: …",
        ),
        (
            "strategic merge patch: of what there is not",
            "answer",
            "404 NotFound: …",
            "415 UnsupportedMediaType: …",
        ),
        (
            "…",
            "message",
            '…application/merge-patch+json, application/strategic-merge-patch+json, …"',
            '…application/merge-patch+json, application/apply-patch+yaml"',
        ),
    ),
    decision(
        "4xx for what is the client's fault",
        "kube-apiserver answers 500 to some requests that only their sender can mend. Clients repeat a 500; "
        "and whoever watches the server is alarmed by it.",
        ("get: a version that is none", "answer", "400 BadRequest: …", "500: …"),
        ("watch: from no version", "answer", "400 BadRequest: …", "500: …"),
        ("update: of a version that is none", "answer", "400 BadRequest: …", "500: …"),
        ("merge patch: with a version that is none", "answer", "400 BadRequest: …", "500: …"),
        (
            "create where it cannot be: a version",
            "answer",
            "400 BadRequest: resourceVersion should not be set…",
            "500: resourceVersion should not be set…",
        ),
        *(
            (
                f"apply that cannot be: {what}",
                "answer",
                "400 BadRequest: failed to create typed patch object…",
                "500: failed to create typed patch object…",
            )
            for what in (
                "an unknown field",
                "an unknown field, strictly",
                "a wrong type",
                "a wrong type of list",
                "a finalizer twice",
                "a key twice in the status",
                "a node without a name",
            )
        ),
    ),
    decision(
        "Paths and methods as of built-in kinds",
        "What there is at a path, and by which method, is answered as kube-apiserver does for built-in kinds. For "
        "custom ones it matches paths by prefix: it reads the status at `status/more`, and sees a missing "
        "name where a method is not allowed.",
        (
            "create where it cannot be: over all namespaces",
            "answer",
            f"405 MethodNotAllowed: {_NOT_ALLOWED}",
            "404: 404 page not found…",
        ),
        (
            "create where it cannot be: at an object",
            "answer",
            f"405 MethodNotAllowed: {_NOT_ALLOWED}",
            _KINDLESS,
        ),
        (
            "update that cannot be: over the collection",
            "answer",
            f"405 MethodNotAllowed: {_NOT_ALLOWED}",
            "400 BadRequest: name must be provided",
        ),
        (
            "merge patch that cannot be: the collection",
            "answer",
            f"405 MethodNotAllowed: {_NOT_ALLOWED}",
            "400 BadRequest: name must be provided",
        ),
        (
            "delete that cannot be: over all namespaces",
            "answer",
            f"405 MethodNotAllowed: {_NOT_ALLOWED}",
            "404: 404 page not found…",
        ),
        (
            "…",
            "message",
            f'"{_NOT_ALLOWED}"',
            '"… is not supported on resources of kind \\"packetcaptures.projectcalico.org\\""',
        ),
        (
            "…",
            "message",
            '"the server could not find the requested resource"',
            '"packetcaptures.projectcalico.org \\"a\\" not found"',
        ),
        ("…", "details", "{}", '{"group": "projectcalico.org", "kind": "packetcaptures"…'),
        ("get: below the status", "answer", "404 NotFound: …", "200 PacketCapture"),
        ("get: another resource", "answer", "404 NotFound: …", "404: 404 page not found…"),
        ("get: HEAD", "answer", "405…", "200"),
        ("get: a method that there is not", "answer", "400: …", "405 MethodNotAllowed: …"),
    ),
    decision(
        "The future may come",
        "Who asks for exactly a version that is to come is told to ask again in a second, as who asks for it or later; "
        "kube-apiserver does so only where it answers from its cache.",
        ("list: exactly a version that is to come", "details", '{"retryAfterSeconds": 1}', "{}"),
        ("list: exactly a version that is to come", "header retry-after", '"1"', "(nothing)"),
    ),
    decision(
        "Other words",
        "The same code, reason and fields; the text says what is wrong without types of Go and without the keys of "
        "a store.",
        ("…", "message", '"…json parse error: …', '"…json parse error: …'),
        ("…", "message", '"…', '"…json: cannot unmarshal … into Go …'),
        (
            "create with bad metadata: a time that is none",
            "message",
            "…must be an RFC 3339 time…",
            "…cannot parse…",
        ),
        (
            "pages: a token that is none",
            "message",
            '"invalid continue token: continue key is not valid: …',
            '"invalid continue token: continue key is not valid: …',
        ),
        (
            "bodies: a YAML key that is null",
            "message",
            "…only plain values can be keys…",
            "…unsupported map key of type…",
        ),
        (
            "…",
            "message",
            '"…\\"metadata.name\\", \\"metadata.namespace\\""',
            '"field label not supported: …',
        ),
        (
            "…",
            "message",
            "…: Precondition failed: UID in precondition…",
            "…: StorageError: …: Precondition failed: UID in precondition…",
        ),
        (
            "delete that cannot be: another kind",
            "message",
            '…no kind \\"Other\\" is registered…',
            '…no kind \\"Other\\" is registered…',
        ),
    ),
    decision(
        "Options of deletion are of a version",
        "That there is: kube-apiserver takes DeleteOptions of any version for custom resources.",
        (
            "delete that cannot be: options of a version that there is not",
            "answer",
            "400 BadRequest: …",
            "200 Status",
        ),
    ),
    decision(
        "A try has no version",
        "What is only tried to be created has none; kube-apiserver leaves the one that was sent.",
        (
            "create where it cannot be: a version, as a try",
            "body metadata resourceVersion",
            "(nothing)",
            '"version 1 of version"',
        ),
    ),
    decision(
        "Compressed bodies",
        "Nobody sends them, since kube-apiserver does not take them either: it reads what it gets as if it were not "
        "compressed. We say why.",
        ("bodies: said to be compressed", "answer", "400 BadRequest: …", "201 PacketCapture"),
    ),
    decision(
        "A time of deletion that is not taken is not owned",
        "kube-apiserver ignores another deletionTimestamp of what is being deleted, but writes down that the client "
        "owns it, and so makes a new version.",
        (
            "update of the time of a deletion: another time",
            "body metadata resourceVersion",
            '"version 2 of a"',
            '"version 3 of a"',
        ),
        (
            "update of the time of a deletion: another time",
            "body metadata managedFields…",
            "(nothing)",
            "{}",
        ),
        (
            "update of the time of a deletion: the time that it has",
            "body metadata resourceVersion",
            '"version 2 of a"',
            '"version 3 of a"',
        ),
        (
            "update of the time of a deletion: the time that it has",
            "body metadata managedFields…",
            "(nothing)",
            "{}",
        ),
    ),
)
