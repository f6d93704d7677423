"""Follows the CA bundle that the API server publishes for the agents (DESIGN 9.4).

What cannot be used changes nothing: the last good bundle stays, also when the ConfigMap is deleted,
because the server that it speaks for goes on as well. `problem` says what is wrong.
"""

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import assert_never

from apiserver.agentapi.names import TRUST_CONFIG_MAP, TRUST_KEY
from apiserver.jsontypes import JsonObject, object_at, text_at
from apiserver.upstream.client import Client
from apiserver.upstream.reflector import (
    Changed,
    ChangeType,
    Collection,
    Disconnected,
    Listed,
    Observation,
    Reconnected,
    observing,
)
from nodeagent.cluster.certificate import Bundle, BundleError, parse_bundle

log = logging.getLogger(__name__)


class Trust:
    """The newest good bundle, and what is wrong with what came after it."""

    def __init__(self, place: str, changed: Callable[[Bundle], None]) -> None:
        self.bundle: Bundle | None = None
        self._place = place
        self._changed = changed
        self._error = f"{place} is not read yet"

    @property
    def problem(self) -> str:
        """What keeps clients from being known; empty while a bundle is there."""
        return self._error if self.bundle is None else ""

    def take(self, observation: Observation) -> None:
        """Take what the API tells of the ConfigMap."""
        match observation:
            case Listed(items=(item, *_)) | Changed(ChangeType.ADDED | ChangeType.MODIFIED, item):
                self._read(item)
            case Listed() | Changed():
                self._keep("does not exist; the API server makes it")
            case Disconnected(error):
                self._keep(f"cannot be read: {error}")
            case Reconnected():
                pass
            case _:
                assert_never(observation)

    def _read(self, config_map: JsonObject) -> None:
        try:
            bundle = parse_bundle(text_at(object_at(config_map, "data"), TRUST_KEY))
        except BundleError as error:
            self._keep(f"is of no use: key {TRUST_KEY} {error}")
            return
        self._error = ""
        if bundle != self.bundle:
            self.bundle = bundle
            log.info("CA bundle read", extra={"certificates": len(bundle.authorities)})
            self._changed(bundle)

    def _keep(self, problem: str) -> None:
        error = f"{self._place} {problem}"
        if error == self._error:
            return
        self._error = error
        if self.bundle is None:
            # Where the installation is new, this agent may just be the faster one.
            log.info("no CA bundle yet", extra={"problem": error})
        else:
            log.warning("CA bundle stays as it is", extra={"problem": error})


@asynccontextmanager
async def following_trust(
    client: Client, namespace: str, *, changed: Callable[[Bundle], None]
) -> AsyncGenerator[Trust]:
    """Follow the ConfigMap for as long as the block lasts.

    `changed` is called in the event loop with each new bundle, and must return at once.
    """
    collection = Collection(
        client,
        f"/api/v1/namespaces/{namespace}/configmaps",
        {"fieldSelector": f"metadata.name={TRUST_CONFIG_MAP}"},
    )
    trust = Trust(f"ConfigMap {namespace}/{TRUST_CONFIG_MAP}", changed)
    async with observing(collection, trust.take):
        yield trust
