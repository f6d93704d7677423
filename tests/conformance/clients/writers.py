"""Several writers at once, who create, change and delete the same objects, and know what they did."""

import asyncio
from collections.abc import Callable
from itertools import count
from random import Random
from typing import Final

from tests.conformance.clients.follower import Follower, Line
from tests.conformance.clients.stories import in_order
from tests.conformance.documents import labelled
from tests.support.client import Answer, Client, capture, collection

_WRITERS: Final = 8
_NAMES: Final = [f"object-{number}" for number in range(25)]


class Writers:
    """What one of them does to a name may fail because of another: it only counts if it did not."""

    def __init__(self, namespaces: tuple[str, ...], random: Random) -> None:
        self.namespaces = namespaces
        self._random = random
        self._written: list[Line] = []
        self._numbers = count()

    @property
    def written(self) -> list[Line]:
        """Every change that succeeded, in the order in which they happened to each object."""
        return in_order(self._written)

    async def write(self, client: Client, changes: int) -> None:
        """Make this many random changes, or a few more."""
        wanted = len(self._written) + changes
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_WRITERS):
                tasks.create_task(self._write_until(client, wanted))

    async def mark(self, client: Client, followers: list[Follower]) -> None:
        """Return when all that was written before has reached all the followers.

        The first mark may reach them in a list, of which some is still to come; the second comes
        behind all of the list, for it was written when somebody had that.
        """
        for _ in range(2):
            name = f"mark-{next(self._numbers)}"
            answer = await client.create(self.namespaces[0], capture(name))
            self._note("add", answer, missing=())
            for follower in followers:
                await follower.first(_is_of(answer.json["metadata"]["uid"]))

    def note_deletion(self, namespace: str, name: str, uid: str) -> None:
        """Take down a deletion that somebody else made."""
        self._written.append({"type": "delete", "key": f"{namespace}/{name}", "uid": uid})

    async def _write_until(self, client: Client, wanted: int) -> None:
        changes = (self._create, self._relabel, self._replace, self._delete)
        while len(self._written) < wanted:
            (change,) = self._random.choices(changes, weights=(4, 3, 2, 2))
            namespace = self._random.choice(self.namespaces)
            await change(client, namespace, self._random.choice(_NAMES))

    async def _create(self, client: Client, namespace: str, name: str) -> None:
        answer = await client.create(namespace, labelled(name, number="none"))
        self._note("add", answer, missing=(409,))

    async def _relabel(self, client: Client, namespace: str, name: str) -> None:
        change = {"metadata": {"labels": {"number": str(next(self._numbers))}}}
        answer = await client.patch(collection(namespace, name), change)
        self._note("update", answer, missing=(404,))

    async def _replace(self, client: Client, namespace: str, name: str) -> None:
        path = collection(namespace, name)
        if (found := await client.get(path)).code == 200:
            changed = found.json | {"spec": {"selector": f"number == '{next(self._numbers)}'"}}
            self._note("update", await client.put(path, changed), missing=(404, 409))

    async def _delete(self, client: Client, namespace: str, name: str) -> None:
        answer = await client.delete(collection(namespace, name))
        if answer.code == 404:
            return
        assert answer.code == 200, answer.body
        self.note_deletion(namespace, name, answer.json["details"]["uid"])

    def _note(self, kind: str, answer: Answer, *, missing: tuple[int, ...]) -> None:
        if answer.code in missing:
            return
        assert answer.code in {200, 201}, answer.body
        it = answer.json["metadata"]
        key = f"{it['namespace']}/{it['name']}"
        self._written.append(
            {"type": kind, "key": key, "uid": it["uid"], "version": it["resourceVersion"]}
        )


def _is_of(uid: str) -> Callable[[Line], bool]:
    return lambda line: line.get("uid") == uid
