"""Single objects of the cluster, whose absence is an answer."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from apiserver.jsontypes import JsonObject
from apiserver.upstream.client import ApiStatusError, Client

# What the server makes carries this, so that people can tell it from what they made themselves.
MANAGED_BY_US: Final[Mapping[str, str]] = MappingProxyType(
    {"app.kubernetes.io/managed-by": "packetcapture-apiserver"}
)


async def find(client: Client, path: str) -> JsonObject | None:
    """Return the object at `path`, None where there is none. Raises `UpstreamError`."""
    try:
        return await client.get_json(path)
    except ApiStatusError as error:
        # A path that is not served at all is 404 too, without this reason.
        if error.code == HTTPStatus.NOT_FOUND and error.reason == "NotFound":
            return None
        raise


async def put(client: Client, path: str, found: JsonObject | None, wanted: JsonObject) -> None:
    """Create `wanted`, or put it in the place of `found`, whose version it then names.

    `path` is the object's own. Raises `UpstreamError`, a 409 where somebody else was faster.
    """
    if found is None:
        await client.create(path.rpartition("/")[0], wanted)
    else:
        await client.replace(path, wanted)
