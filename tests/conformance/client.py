"""A client of the API with all the kinds of patches."""

from typing import Any

from tests.support import client


class Client(client.Client):
    """Requests of one user at one door."""

    async def json_patch(self, path: str, operations: Any, **query: Any) -> client.Answer:
        """PATCH an object by a list of operations (RFC 6902)."""
        kind = "application/json-patch+json"
        return await self.request("PATCH", path, operations, content_type=kind, **query)

    async def apply(
        self, path: str, document: Any, *, manager: str | None, **query: Any
    ) -> client.Answer:
        """PATCH an object by what a field manager wants of it."""
        if manager is not None:
            query["fieldManager"] = manager
        kind = "application/apply-patch+yaml"
        return await self.request("PATCH", path, document, content_type=kind, **query)
