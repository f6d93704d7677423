"""docs/reference.md, as text: the schema in the words of `kubectl explain`, and some manifests."""

from collections.abc import Iterator
from pathlib import Path

from apiserver.jsontypes import JsonObject, object_at, text_at
from apiserver.resource.schema.kind import kind_schema
from tests.reference.examples import EXAMPLES
from tests.reference.fields import prose, rows, sections

PAGE = Path(__file__).parents[2] / "docs" / "reference.md"

_IDENTITY = """\
| | |
|---|---|
| group, version, kind | `projectcalico.org`, `v3`, `PacketCapture` |
| for kubectl | `packetcaptures`, `packetcapture`, `packetcaptures.p` |
| scope | a namespace: a capture selects pods of its own |
| name | letters, digits, `-`, `_` and `.`, the first and the last a letter or a digit; at most 253 characters |

This page is what `kubectl explain packetcapture --recursive` says, in one piece; what exactly a rule lets pass is in
[api.md](api.md). A manifest without the fields that are marked as additions means what it means to Calico. Of an
update only what it changes is judged: what was stored once never stands in the way of another edit.
"""

_ABOUT_STATUS = """\
Nodes report it, and the server adds what they cannot know. `status` in a manifest is ignored: it is written
through the subresource `status`.
"""


def page() -> str:
    """Return the page; it ends with a newline."""
    schema = kind_schema({})
    return "\n\n".join(part.strip("\n") for part in _parts(schema)) + "\n"


def _parts(schema: JsonObject) -> Iterator[str]:
    spec, status = (
        object_at(object_at(schema, "properties"), each) for each in ("spec", "status")
    )
    yield "# Reference: PacketCapture"
    yield prose(text_at(schema, "description"))
    yield _IDENTITY
    yield "## Examples"
    for title, manifest in EXAMPLES.items():
        yield f"{title}:"
        yield f"```yaml\n{manifest}```"
    yield "## Spec"
    yield prose(text_at(spec, "description"))
    yield from sections(spec, "spec")
    yield "## Status"
    yield prose(text_at(status, "description"))
    yield _ABOUT_STATUS
    yield "\n".join(["| Field | Type | Meaning |", "|---|---|---|", *rows(status, "status")])
    yield "This page is written by `python -m tests.reference`."
