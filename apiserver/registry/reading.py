"""Reading of objects: which version is meant, and lists in parts (apiserver-protocol 4.2, 4.4)."""

import asyncio
from dataclasses import dataclass, replace

from apiserver.jsontypes import object_at
from apiserver.registry.documents import Documents
from apiserver.registry.storeerrors import store_errors
from apiserver.storage.interface import CompactedError, Revision, Store, Stored
from apiserver.storage.keys import KeySpace, next_start
from apiserver.wire import status
from apiserver.wire.continuetokens import (
    INCONSISTENT,
    ContinueToken,
    decode_continue,
    encode_continue,
)
from apiserver.wire.options import ListOptions, VersionMatch
from apiserver.wire.resources import Resource
from apiserver.wire.selection import Selection

# How long a client waits for a version that is not there yet (apiserver-protocol 4.2).
REACH_SECONDS = 3.0

# Objects that are read at a time to find those that a selector wants: a compromise between reading
# too much for a small limit and asking too often where few are selected.
_SELECTED_AT_LEAST = 500

# Objects that are held against a selector before others get their turn.
_SELECTED_AT_A_TIME = 10


@dataclass(frozen=True, slots=True)
class Page:
    """A list, or a part of one: `continue_token` is empty at its end.

    `remaining` is how many objects follow; None where that was not counted.
    """

    revision: Revision
    items: tuple[Stored, ...]
    continue_token: str = ""
    remaining: int | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """From where on to read, of which version (None: the present).

    All that can be selected is `within`, which is `prefix` or a part of it.
    """

    prefix: str
    within: str
    at: Revision | None = None
    start: str = ""


class Reader:
    """Reads one resource of one store. Everything may raise ApiError."""

    def __init__(self, store: Store, resource: Resource, documents: Documents) -> None:
        self._store = store
        self._resource = resource
        self._documents = documents
        self.keys = KeySpace(resource.group, resource.plural)

    def prefix(self, namespace: str) -> str:
        """Return the prefix of the keys of one namespace, or (empty) of all."""
        return self.keys.namespace_prefix(namespace) if namespace else self.keys.prefix

    async def find(self, namespace: str, name: str) -> Stored | None:
        """Return the stored object, or None."""
        with store_errors(self._resource, "get"):
            return await self._store.get(self.keys.key(namespace, name))

    async def get(self, namespace: str, name: str, *, not_older_than: int | None = None) -> Stored:
        """Return the stored object. Raises ApiError 404, or 504 for a version from the future."""
        if not_older_than:
            await self._reach(not_older_than)
        stored = await self.find(namespace, name)
        if stored is None:
            raise status.not_found(self._resource, name)
        return stored

    async def count(self) -> int:
        """Return how many objects there are. Raises StoreError."""
        snapshot = await self._store.list(self.keys.prefix, limit=1)
        return len(snapshot.items) + snapshot.remaining

    async def names(self) -> dict[str, list[str]]:
        """Return the names of all objects by namespace."""
        found: dict[str, list[str]] = {}
        with store_errors(self._resource, "list"):
            snapshot = await self._store.list(self.keys.prefix)
        for stored in snapshot.items:
            namespace, name = self.keys.parse(stored.key)
            found.setdefault(namespace, []).append(name)
        return found

    async def list(self, namespace: str, options: ListOptions) -> Page:
        """Return the selected objects, as many as wanted. Raises ApiError 400, 410, 504."""
        with store_errors(self._resource, "list"):
            place = await self._place(namespace, options)
            # Any version will do for 0, and then Kubernetes answers with all there is.
            limit = 0 if options.resource_version == 0 else options.limit
            try:
                return await self._page(place, options, limit)
            except CompactedError as error:
                if not options.continue_token:
                    raise
                onward = encode_continue(ContinueToken(INCONSISTENT, place.start), place.prefix)
                raise status.expired(status.CONTINUE_TOO_OLD, continue_token=onward) from error

    async def _place(self, namespace: str, options: ListOptions) -> _Place:
        prefix, within = self.prefix(namespace), self._within(namespace, options.selection)
        if options.continue_token:
            token = decode_continue(options.continue_token, prefix)
            if options.resource_version:
                raise status.bad_request(
                    "specifying resource version is not allowed when using continue"
                )
            at = None if token.revision == INCONSISTENT else Revision(token.revision)
            return _Place(prefix, within, at, token.start)
        version = options.resource_version
        if not version:
            return _Place(prefix, within)
        await self._reach(version)
        # A version with a limit and no match has always meant exactly that one.
        exactly = options.match is VersionMatch.EXACT or (options.match is None and options.limit)
        return _Place(prefix, within, Revision(version) if exactly else None)

    def _within(self, namespace: str, selection: Selection) -> str:
        """Return what the keys of all that can be selected begin with."""
        name = selection.fields.exact_name
        if not (namespace and name) or "/" in name:
            return self.prefix(namespace)
        # Who waits for one object, as `kubectl wait` does, does not pay for all of them.
        return self.keys.key(namespace, name)

    async def _page(self, place: _Place, options: ListOptions, limit: int) -> Page:
        """Read on until enough objects are found that the selection wants, or there are no more."""
        everything = options.selection.is_everything
        size = limit if everything else limit and max(limit, _SELECTED_AT_LEAST)
        chosen: list[Stored] = []
        while True:
            found = await self._store.list(
                place.within, at=place.at, start=place.start, limit=size
            )
            following = len(found.items) + found.remaining
            for position, each in enumerate(found.items):
                following -= 1
                if not everything and position % _SELECTED_AT_A_TIME == 0:
                    # A selector may have thousands of requirements.
                    await asyncio.sleep(0)
                if not everything and not self._is_selected(each, options):
                    continue
                chosen.append(each)
                if len(chosen) == limit and following:
                    onward = ContinueToken(found.revision, next_start(each.key))
                    return Page(
                        found.revision,
                        tuple(chosen),
                        encode_continue(onward, place.prefix),
                        following if everything else None,
                    )
            if not found.remaining:
                return Page(found.revision, tuple(chosen))
            place = replace(place, at=found.revision, start=next_start(found.items[-1].key))

    def _is_selected(self, stored: Stored, options: ListOptions) -> bool:
        return options.selection.matches(object_at(self._documents.decode(stored), "metadata"))

    async def _reach(self, version: int) -> None:
        """Wait until the store has come to a version. Raises ApiError 504."""
        with store_errors(self._resource, "get"):
            try:
                async with asyncio.timeout(REACH_SECONDS):
                    await self._store.reached(version)
            except TimeoutError as error:
                current = await self._store.current_revision()
                raise status.too_large_resource_version(version, current) from error
