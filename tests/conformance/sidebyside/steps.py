"""Requests as values: what is sent to both sides, in the words of our own group.

In a path, query, header or body `<uid of a>`, `<version of a>` and `<first version of a>` stand for what
that side last (first) answered of its object `a`, `<version of the list>` and `<continue>` for what it
answered to its last list, `<namespace>` for the namespace.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from apiserver.resource.types import GROUP_VERSION, KIND

JSON = "application/json"
YAML = "application/yaml"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

Scope = Literal["namespace", "cluster", "group"]


@dataclass(frozen=True, slots=True)
class Step:
    """One request. `path` is what follows the collection, or the group's root; `body` is sent as it is."""

    title: str
    method: str
    path: str = ""
    body: bytes | None = None
    content_type: str = JSON
    accept: str = JSON
    query: str = ""
    scope: Scope = "namespace"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Steps, one after the other, in a namespace of their own; a watch sees what comes of them."""

    title: str
    steps: tuple[Step, ...]
    watched: bool = True

    def name(self, step: Step) -> str:
        """Return what a step is called in the table of differences."""
        return f"{self.title}: {step.title}"


def scenario(title: str, *steps: Step, watched: bool = True) -> Scenario:
    """Return a scenario; its steps' titles are different ones."""
    titles = [each.title for each in steps]
    twice = {each for each in titles if titles.count(each) > 1}
    assert not twice, f"{title}: {twice}"
    return Scenario(title, steps, watched)


def capture(name: str = "", spec: Any = None, **metadata: Any) -> dict[str, Any]:
    """Return a manifest; without a name or a spec it has none."""
    named = {"name": name} if name else {}
    document: dict[str, Any] = {
        "apiVersion": GROUP_VERSION,
        "kind": KIND,
        "metadata": {**named, **metadata},
    }
    return document if spec is None else {**document, "spec": spec}


def create(
    title: str, body: Any, query: str = "", *, content_type: str = JSON, accept: str = JSON
) -> Step:
    """POST."""
    return Step(title, "POST", "", _bytes(body), content_type, accept, query)


def get(title: str, path: str = "", query: str = "", *, accept: str = JSON) -> Step:
    """GET an object, what is below it, or the collection."""
    return Step(title, "GET", path, None, "", accept, query)


def put(title: str, path: str, body: Any, query: str = "", *, content_type: str = JSON) -> Step:
    """PUT."""
    return Step(title, "PUT", path, _bytes(body), content_type, query=query)


def patch(title: str, path: str, body: Any, query: str = "", *, content_type: str) -> Step:
    """PATCH, in the form that the media type says."""
    return Step(title, "PATCH", path, _bytes(body), content_type, query=query)


def merge(title: str, path: str, body: Any, query: str = "") -> Step:
    """PATCH by a merge patch."""
    return patch(title, path, body, query, content_type=MERGE_PATCH)


def json_patch(title: str, path: str, body: Any, query: str = "") -> Step:
    """PATCH by a JSON patch."""
    return patch(title, path, body, query, content_type=JSON_PATCH)


def apply(title: str, path: str, body: Any, query: str = "fieldManager=one") -> Step:
    """PATCH by server-side apply, by default of the manager `one`."""
    return patch(title, path, body, query, content_type=APPLY_PATCH)


def delete(
    title: str, path: str = "", query: str = "", body: Any = None, *, accept: str = JSON
) -> Step:
    """DELETE an object, or of the collection."""
    return Step(title, "DELETE", path, _bytes(body), JSON, accept, query)


def _bytes(body: Any) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    return json.dumps(body).encode()
