r"""Continue tokens: where the next page of a list begins, and of which snapshot it is a page.

To clients they are opaque. They hold all that is needed, so that any replica can go on with them, and
they are what kube-apiserver makes (apiserver, storage/continue.go): base64url without padding of
`{"v":"meta.k8s.io/v1","rv":42,"start":"ns/name\u0000"}`. A client can write one by hand; wherever it
starts, it never leaves the keys that the list is about.
"""

import base64
import re
from dataclasses import dataclass
from typing import NoReturn

import orjson

from apiserver.jsontypes import JsonObject
from apiserver.wire.status import ApiError, bad_request

# The revision of a token that goes on in the present: the snapshot of the one before is compacted.
INCONSISTENT = -1

_VERSION = "meta.k8s.io/v1"
_IN_VERSION = f"(version {_VERSION})"
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9_-]")
_GROUP = 4
_INT64 = range(-(1 << 63), 1 << 63)


@dataclass(frozen=True, slots=True)
class ContinueToken:
    """`start` is a key of the store: the first that may be in the next page.

    `revision` is the snapshot's, or INCONSISTENT.
    """

    revision: int
    start: str


def encode_continue(token: ContinueToken, prefix: str) -> str:
    """Return the text of a token for a list of the keys that begin with `prefix`, as `start` does."""
    assert token.start.startswith(prefix), "a page starts within its list"
    start = token.start.removeprefix(prefix)
    text = orjson.dumps({"v": _VERSION, "rv": token.revision, "start": start})
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def decode_continue(text: str, prefix: str) -> ContinueToken:
    """Return the token that a client sent for a list of the keys that begin with `prefix`.

    Raises a 400 `ApiError`.
    """
    document = _decode_document(text)
    version, revision, start = (document.get(each) for each in ("v", "rv", "start"))
    if version != _VERSION:
        _refuse(f": server does not recognize this encoded version {version or ''}")
    # A bool is an int to Python.
    if not isinstance(revision, int) or isinstance(revision, bool) or revision not in _INT64:
        revision = 0
    if revision == 0:
        _refuse(f": incorrect encoded start resourceVersion {_IN_VERSION}")
    if not isinstance(start, str) or not start:
        _refuse(f": encoded start key empty {_IN_VERSION}")
    relative = start.removeprefix("/")
    if any(part in {"", ".", ".."} for part in relative.split("/")) and relative:
        _refuse(f": {start}")
    return ContinueToken(max(revision, INCONSISTENT), prefix + relative)


def _decode_document(text: str) -> JsonObject:
    illegal = _NOT_BASE64.search(text)
    # One letter alone in the last group makes no byte.
    position = illegal.start() if illegal else len(text) - 1
    if illegal or len(text) % _GROUP == 1:
        _refuse(f": illegal base64 data at input byte {position}")
    decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % _GROUP))
    try:
        document = orjson.loads(decoded)
    except orjson.JSONDecodeError as error:
        raise _invalid(f": {error}") from error
    if not isinstance(document, dict):
        _refuse(": it must be an object")
    return document


def _refuse(why: str) -> NoReturn:
    raise _invalid(why)


def _invalid(why: str) -> ApiError:
    return bad_request(f"invalid continue token: continue key is not valid{why}")
