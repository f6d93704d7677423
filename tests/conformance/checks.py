"""What is checked: every demand that clients of Kubernetes make on an API server, by number.

A test says with `@check(33)` which of them it proves; one may take several tests, and a test may
prove several. Tests that take the fixture `door` run twice, directly and through kube-apiserver.
"""

from collections.abc import Mapping
from typing import Final

import pytest

GROUPS: Final[Mapping[str, str]] = {
    "A": "Registration and aggregation",
    "B": "Discovery",
    "C": "OpenAPI",
    "D": "Create",
    "E": "Read, list, selectors",
    "F": "Update, patch, status",
    "G": "Delete",
    "H": "Watch",
    "I": "Negotiation",
    "J": "Server-side apply",
    "K": "Authentication and authorization",
    "L": "Admission",
    "M": "Operations",
}

# The first number of each group; it goes on to the next one's.
_FIRST: Final = dict(
    zip(GROUPS, (1, 13, 21, 29, 44, 56, 67, 76, 91, 98, 108, 115, 118), strict=True)
)

CHECKS: Final[Mapping[int, str]] = {
    1: "The APIService becomes Available with reason `Passed`, in less than 30 s",
    2: "The aggregator's probe, without `Accept`, is answered in less than a second",
    3: "`X-Remote-*` headers without the front proxy's certificate name nobody",
    4: "A client's own certificate wins over `X-Remote-*` headers",
    5: "Another name of the front proxy's CA is refused",
    6: "Serving certificates are exchanged without a restart, and the APIService stays Available",
    7: "The front proxy's CA is exchanged without a restart",
    8: "The certificate has the name of the Service; TLS 1.1 is refused",
    9: "A connection that idled for 95 s is served",
    10: "300 groups and a query of 100 KiB are taken",
    11: "Cut off from the server, clients see 503; all recovers by itself",
    12: "While the server starts nothing is said to be missing",
    13: "Aggregated discovery: content type, `Current`, `responseKind`",
    14: "Discovery v2beta1 alone is not served, and what else is accepted is",
    15: "Legacy discovery for `application/json` and `*/*`",
    16: "Discovery that has not changed is not sent again",
    17: "Resources of the group: sorted verbs, the status subresource",
    18: "`kubectl api-resources`",
    19: "Every name of the resource that kubectl resolves",
    20: "Discovery for a user without groups",
    21: "OpenAPI v3 has one key, whose hash is the document's `ETag`",
    22: "The OpenAPI document by its hash never changes; another hash is no error",
    23: "An OpenAPI document that is known is not sent again",
    24: "`kubectl explain`",
    25: "Both PATCH operations declare `fieldValidation` and the same content types",
    26: "kubectl validates on the server: strict, warn, ignore",
    27: "OpenAPI v2, and kube-apiserver's merged document",
    28: "OpenAPI that was not ready at first is served natively afterwards",
    29: "A created object is completed by the server",
    30: "A name is taken once",
    31: "What only the server may set is overwritten",
    32: "A version in an object to create is an error",
    33: "100 generated names at once are 100 names; a long prefix is cut",
    34: "Names: required, and of the syntax that Calico promises",
    35: "Namespaces: the URL's, existing, and not ending",
    36: "apiVersion and kind: right, or left out",
    37: "Content types of what is sent",
    38: "Limits of size: 3 MiB of body, 256 KiB of annotations",
    39: "Malformed JSON; what typed clients always send is no strict error",
    40: "A dry run stores nothing; it has one value",
    41: "Objects are not created outside of namespaces",
    42: "Owners: one controller; duplicates are dropped with a warning",
    43: "A duplicate key is warned of",
    44: "A missing object; a version of the future",
    45: "An empty list is a list",
    46: "A write is in the next list of every replica",
    47: "Pages: one version, complete, with what remains",
    48: "Continue tokens: on every replica, alone, and no others than ours",
    49: "A token whose history is forgotten is told how to go on",
    50: "`resourceVersion` and `resourceVersionMatch` of lists",
    51: "Label selectors",
    52: "Field selectors",
    53: "A right to one name lists that name",
    54: "A list across namespaces is sorted",
    55: "`kubectl get --chunk-size` shows the same as without",
    56: "PUT: stale and missing versions, generation",
    57: "A write that changes nothing is none",
    58: "PUT: another uid, another name, a missing object, a creation time",
    59: "Spec and status are written apart",
    60: "JSON, merge and strategic patches; other content types are 415",
    61: "50 concurrent patches without a version all succeed",
    62: "A patch with a stale version conflicts",
    63: "The result of a patch is validated",
    64: "kubectl edits, labels, annotates, patches, applies, replaces",
    65: "An object that is being deleted gets no new finalizer",
    66: "A field manager's name has a limit",
    67: "DELETE tells the uid, watches see it, and a second one finds nothing",
    68: "Finalizers keep an object until the last is removed",
    69: "Preconditions of a deletion",
    70: "Propagation policies, with the garbage collector",
    71: "Owners and dependents, with the garbage collector",
    72: "deletecollection: selected, synchronous, dry",
    73: "A namespace with captures is deleted; finalizers hold it up",
    74: "`kubectl delete --wait`",
    75: "A dry deletion deletes nothing",
    76: "A watch from a list's version: every change in order",
    77: "A watch without a version begins with what exists",
    78: "A watch list, ended by its bookmark",
    79: "A watch from forgotten history: ERROR 410, then the end",
    80: "Objects enter and leave a selection",
    81: "`timeoutSeconds` ends a watch cleanly",
    82: "Bookmarks of an idle watch, for those who allow them",
    83: "One name is watched; `kubectl get -w` and `kubectl wait`",
    84: "1,000 watchers that are gone are forgotten",
    85: "A reader that does not read is dropped",
    86: "Informers of client-go 1.36, over a restart and over compaction",
    87: "Informers with WatchList are in step in less than 2 s, with 0 and 5,000 objects",
    88: "An event of a slow watch arrives in less than 300 ms",
    89: "A list of one replica and a watch on another lose nothing",
    90: "A rolling restart under informers: no 404, nothing comes back",
    91: "YAML: objects, lists, errors; no watch",
    92: "Tables, and `kubectl get -o wide`",
    93: "A watch of tables names its columns once",
    94: "PartialObjectMetadata",
    95: "Forms that are not served: 406, as a JSON Status",
    96: "curl gets indented JSON",
    97: "Large answers are compressed",
    98: "Apply creates, and repeated changes nothing",
    99: "Apply conflicts, and force takes",
    100: "Fields owned by two",
    101: "Updates own fields, too",
    102: "Apply to the status",
    103: "Apply requests that cannot be",
    104: "Labels merge by key, filters are one value",
    105: "From `kubectl apply` to `kubectl apply --server-side`",
    106: "Managed fields are reset, and capped",
    107: "An unknown field in what is applied",
    108: "Bearer tokens, and their cache",
    109: "Rights: messages, subresources, all namespaces",
    110: "Without kube-apiserver nobody new gets in",
    111: "Impersonation",
    112: "Extra attributes of users",
    113: "Anonymous requests",
    114: "`kubectl auth can-i` agrees",
    115: "Validating webhooks",
    116: "Mutating webhooks",
    117: "Dry runs and warnings of webhooks",
    118: "Health checks: verbose, excluded, single",
    119: "A store that fails (the embedded one, in etcd's place), and is back",
    120: "SIGTERM with watches and a slow write",
    121: "More requests than are taken at once",
    122: "Metrics",
    123: "Audit IDs",
    124: "A handler that fails",
    125: "`timeout`",
}

# Checks, or parts of them, that do not run yet, and what they lack.
MISSING: Final[Mapping[int, str]] = dict.fromkeys((46, 48, 89, 90), "needs several replicas")


def group_of(number: int) -> str:
    """Return the letter of the group that a check belongs to."""
    return [letter for letter, first in _FIRST.items() if first <= number][-1]


def check(*numbers: int) -> pytest.MarkDecorator:
    """Say which checks a test proves."""
    assert CHECKS.keys() >= set(numbers)
    return pytest.mark.check(*numbers)


def client(name: str, does: str) -> pytest.MarkDecorator:
    """Say which program or library a test drives against the server, and in a few words how."""
    return pytest.mark.client(name, does)


def patient(*fixtures: str) -> pytest.MarkDecorator:
    """Say which session fixtures begin early what a test looks at late: it then need not wait for long."""
    return pytest.mark.patient(*fixtures)


def disruptive() -> pytest.MarkDecorator:
    """Say that a test takes the server that all share from its clients: it runs after all others."""
    return pytest.mark.disruptive()
