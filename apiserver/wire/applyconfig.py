"""Bodies of server-side apply: the object as its applier wants it (apiserver-protocol 7.3, 13.5)."""

from apiserver.jsontypes import text_at
from apiserver.wire.body import Decoded, DecodeError, decode
from apiserver.wire.negotiation import BodyMedia
from apiserver.wire.resources import Resource
from apiserver.wire.status import bad_request


def read_apply(body: bytes, resource: Resource) -> Decoded:
    """Return the object that is to be applied, in JSON or YAML. Raises ApiError 400."""
    decoded = _decoded(body)
    version, kind = (text_at(decoded.document, each) for each in ("apiVersion", "kind"))
    if (version, kind) != (resource.group_version, resource.kind):
        given = f"{version or '/'}, Kind={kind}"
        raise bad_request(f"invalid object type: {given}")
    return decoded


def _decoded(body: bytes) -> Decoded:
    if body.strip() in {b"", b"null"}:
        return Decoded({})
    if body.lstrip().startswith(b"{"):
        # JSON is YAML, and read a hundred times faster; but what is wrong is told as of YAML.
        try:
            decoded = decode(body, BodyMedia.JSON)
        except DecodeError:
            pass
        else:
            if not decoded.duplicates:
                return decoded
    try:
        return decode(body, BodyMedia.YAML)
    except DecodeError as error:
        raise bad_request(
            f"error decoding YAML: error converting YAML to JSON: {error}"
        ) from error
