"""What is left in namespaces that are gone is removed, as Kubernetes' namespace controller would have.

It does so itself while our API group is registered. While it is not (the APIService deleted, or
somebody else's for a time), a namespace goes without our objects; and they would come back to life
in whatever namespace has its name next, and capture the packets of *its* pods.

Nothing is removed by mistake (DESIGN 9.7): a namespace is gone when its deletion was watched, or
when it was missing for five minutes; and in both cases only once kube-apiserver, asked for it by
name, says that there is none.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from apiserver.cluster.namespaces import Namespaces, NamespaceState, NamespaceUnknownError
from apiserver.registry.requests import DeleteRequest
from apiserver.registry.verbs import Registry
from apiserver.wire.status import ApiError

log = logging.getLogger(__name__)

MISSING_SECONDS = 300.0
RETRY_SECONDS = 10.0


class Leftovers:
    """Removes the objects of a registry from namespaces that are gone."""

    def __init__(
        self,
        registry: Registry,
        namespaces: Namespaces,
        *,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._registry = registry
        self._namespaces = namespaces
        self._monotonic = monotonic
        self._sleep = sleep
        self._deleted: set[str] = set()
        self._missing_since: dict[str, float] = {}

    async def run(self) -> None:
        """Look whenever a namespace may have gone, for ever."""
        while True:
            wait = self._seconds_until_due()
            try:
                async with asyncio.timeout(wait):
                    self._deleted |= await self._namespaces.next_loss()
            except TimeoutError:
                pass
            while not await self._look():
                await self._sleep(RETRY_SECONDS)

    def _seconds_until_due(self) -> float | None:
        if not self._missing_since:
            return None
        due = min(self._missing_since.values()) + MISSING_SECONDS
        return max(0.0, due - self._monotonic())

    async def _look(self) -> bool:
        """Remove what is left; answer False where that could not be found out or done."""
        try:
            for namespace, names in (await self._registry.reader.names()).items():
                if await self._is_gone(namespace):
                    await self._remove(namespace, names)
        except (ApiError, NamespaceUnknownError) as error:
            log.warning("what is left of namespaces stays for now", extra={"error": str(error)})
            return False
        self._deleted.clear()
        return True

    async def _is_gone(self, namespace: str) -> bool:
        if await self._namespaces.state_of(namespace) is not NamespaceState.MISSING:
            self._missing_since.pop(namespace, None)
            return False
        since = self._missing_since.setdefault(namespace, self._monotonic())
        return namespace in self._deleted or self._monotonic() - since >= MISSING_SECONDS

    async def _remove(self, namespace: str, names: list[str]) -> None:
        log.warning(
            "captures of a namespace that is gone are removed",
            extra={"namespace": namespace, "captures": names},
        )
        for name in names:
            await self._registry.delete(namespace, name, DeleteRequest())
        self._missing_since.pop(namespace, None)
