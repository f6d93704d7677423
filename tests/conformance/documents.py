"""Captures to send, and what of an answer is compared."""

from typing import Any

from tests.conformance.client import Client
from tests.support.client import Answer, capture, collection


def with_metadata(**metadata: Any) -> dict[str, Any]:
    """Return a manifest, named http unless it is said otherwise."""
    return capture() | {"metadata": {"name": "http", **metadata}}


def labelled(name: str, **labels: str) -> dict[str, Any]:
    """Return a manifest with labels."""
    return with_metadata(name=name, labels=labels)


async def fill(client: Client, namespace: str, *documents: dict[str, Any]) -> None:
    """Create them all, one after the other."""
    for document in documents:
        answer = await client.create(namespace, document)
        assert answer.code == 201, answer.body


async def stored(client: Client, namespace: str) -> list[str]:
    """Return the names of what a namespace has."""
    return names((await client.get(collection(namespace))).json)


def names(listed: dict[str, Any]) -> list[str]:
    """Return the names in a list, in its order."""
    return [each["metadata"]["name"] for each in listed["items"]]


def causes(answer: Answer) -> set[tuple[str, str]]:
    """Return reason and field of each cause of an error."""
    return {(each["reason"], each["field"]) for each in answer.json["details"]["causes"]}
