"""The pods of a cluster with the labels that selectors see, followed for what is said of captures.

The agents select by the same rules and capture; here nobody's packets depend on it. So a pod whose
service account was not told of yet is not held back: it is looked at again a moment later.

Of each pod some hundred bytes are kept. Service accounts are followed from the first selector on
that mentions their labels.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Final, TypeAlias, assert_never

from apiserver.cluster.matches import Matches
from apiserver.jsontypes import JsonObject, object_at, text_at
from apiserver.resource.pods import ACCOUNT_PREFIX, Pod, read_pod
from apiserver.resource.podset import Kind, PodSet
from apiserver.resource.selector.nodes import Selector
from apiserver.resource.surroundings import EVERY_NAMESPACE
from apiserver.upstream.backoff import Jitter
from apiserver.upstream.client import ApiStatusError, Client, UpstreamError
from apiserver.upstream.large import LargeCollection
from apiserver.upstream.reflector import (
    Changed,
    ChangeType,
    Disconnected,
    Listed,
    Observation,
    Reconnected,
    Sleep,
    reflecting,
)

log = logging.getLogger(__name__)

# Is told of the namespaces in which something changed.
Told: TypeAlias = Callable[[frozenset[str]], None]

_EVERYWHERE: Final = frozenset({EVERY_NAMESPACE})
# What the rules look at.
_KEPT: Final = {
    "metadata": ("namespace", "name", "uid", "labels", "deletionTimestamp"),
    "spec": ("nodeName", "hostNetwork", "serviceAccountName"),
    "status": ("phase",),
}


class ClusterPods:
    """The pods of all nodes, as last seen; `run` follows them."""

    def __init__(self, client: Client, *, changed: Told, jitter: Jitter, sleep: Sleep) -> None:
        self._client = client
        self._changed = changed
        self._jitter = jitter
        self._sleep = sleep
        self._pods = PodSet(read_pod)
        # By namespace; of those that somebody asked about.
        self._matches: dict[str, Matches] = {}
        self._turn = asyncio.Lock()
        self._accounts_wanted = asyncio.Event()
        self._lost: set[Kind] = set()
        self._forbidden: set[Kind] = set()

    @property
    def is_forbidden(self) -> bool:
        """Whether we may not see, and have not seen, what tells which pods a selector matches."""
        return bool(self._forbidden) and not self._pods.is_synced

    async def matching(self, namespace: str, selector: Selector) -> tuple[Pod, ...] | None:
        """Return the pods of a namespace that match, host-network pods among them; None: not known."""
        if ACCOUNT_PREFIX in selector.canonical:
            self._accounts_wanted.set()
            if not self._pods.has_accounts:
                return None
        if not self._pods.is_synced:
            return None
        matches = self._matches.get(namespace)
        if matches is None:
            read = partial(self._pods.pods_of, namespace, now=math.inf)
            matches = self._matches[namespace] = Matches(read, self._turn)
        return await matches.of(selector)

    def namespaces_on(self, nodes: frozenset[str]) -> frozenset[str]:
        """Return the namespaces that have pods on any of these nodes."""
        return self._pods.namespaces_on(nodes)

    async def run(self) -> None:
        """Follow, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(Kind.PODS))
            tasks.create_task(self._follow(Kind.NAMESPACES))
            await self._accounts_wanted.wait()
            tasks.create_task(self._follow(Kind.ACCOUNTS))

    async def _follow(self, kind: Kind) -> None:
        collection = LargeCollection(
            self._client, kind.value, keep=_kept, is_metadata_only=kind is not Kind.PODS
        )
        async with reflecting(collection, jitter=self._jitter, sleep=self._sleep) as observations:
            async for observation in observations:
                self._take(kind, observation)

    def _take(self, kind: Kind, observation: Observation) -> None:
        match observation:
            case Listed(items):
                self._pods.replace(kind, items, now=0.0)
                self._matches.clear()
                self._changed(_EVERYWHERE)
                self._find(kind)
            case Changed(ChangeType.DELETED, document):
                if self._pods.remove(kind, document):
                    self._change(kind, _namespace_of(kind, document))
            case Changed(_, document):
                if self._pods.put(kind, document, now=0.0):
                    self._change(kind, _namespace_of(kind, document))
            case Disconnected(error):
                self._lose(kind, error)
            case Reconnected():
                self._find(kind)
            case _:
                assert_never(observation)

    def _change(self, kind: Kind, namespace: str) -> None:
        if kind is not Kind.PODS:
            # All that is there inherits something else.
            self._matches.pop(namespace, None)
        elif namespace in self._matches:
            self._matches[namespace].pods_changed()
        self._changed(frozenset({namespace}))

    def _lose(self, kind: Kind, error: UpstreamError) -> None:
        self._lost.add(kind)
        extra = {"path": kind.value, "error": str(error)}
        if isinstance(error, ApiStatusError) and error.code == HTTPStatus.FORBIDDEN:
            right = f"list and watch {kind.value.rpartition('/')[2]} of all namespaces"
            extra["missing_right"] = right
            self._forbid(kind)
            log.warning("may not be followed: what captures select is not known", extra=extra)
        else:
            log.warning("out of sight", extra=extra)

    def _forbid(self, kind: Kind) -> None:
        if kind is not Kind.ACCOUNTS and kind not in self._forbidden:
            self._forbidden.add(kind)
            self._changed(_EVERYWHERE)

    def _find(self, kind: Kind) -> None:
        self._forbidden.discard(kind)
        if kind in self._lost:
            self._lost.remove(kind)
            log.info("in sight again", extra={"path": kind.value})


def _kept(document: JsonObject) -> JsonObject:
    return {
        part: {key: value for key, value in object_at(document, part).items() if key in keys}
        for part, keys in _KEPT.items()
    }


def _namespace_of(kind: Kind, document: JsonObject) -> str:
    name = "name" if kind is Kind.NAMESPACES else "namespace"
    return text_at(object_at(document, "metadata"), name)
