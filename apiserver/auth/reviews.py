"""Questions that the cluster answers for us: who holds a token, may a user do a thing.

Both are asked by creating a document that is never stored (TokenReview, SubjectAccessReview). How
often, how patiently and for how long an answer counts is that of Kubernetes' delegating servers
(apiserver-protocol 8.3, 8.4).
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Generic, TypeAlias, TypeVar

from apiserver.jsontypes import JsonObject, object_at
from apiserver.upstream.backoff import Jitter
from apiserver.upstream.client import ApiStatusError, Client, UnreachableError, UpstreamError
from apiserver.upstream.reflector import Sleep

log = logging.getLogger(__name__)

# For one question with all its tries: longer than this no request should wait for its answer.
DEADLINE_SECONDS: Final = 10.0
# Of the 100 connections to the cluster that there are; watches and other questions need some too,
# and anybody can make us ask whose a token is.
CONCURRENT: Final = 25
_ROLE: Final = "system:auth-delegator"
_TRIES: Final = 5
_FIRST_PAUSE_SECONDS: Final = 0.5
_PAUSE_GROWTH: Final = 1.5
_PASSING: Final = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)

KEPT_SECONDS: Final = 10.0
KEPT_ANSWERS: Final = 8192

T = TypeVar("T")

# Told of each request: the code of its answer, or NO_ANSWER, and the seconds that it took.
Observer: TypeAlias = Callable[[str, float], None]
NO_ANSWER: Final = "<error>"


class ReviewError(Exception):
    """The cluster did not answer: nothing is known, and nothing may be concluded from it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the cluster cannot be asked: {reason}")
        self.reason = reason


class Reviews:
    """One kind of question, asked of the cluster."""

    def __init__(
        self,
        client: Client,
        path: str,
        *,
        jitter: Jitter,
        sleep: Sleep,
        observe: Observer | None = None,
    ) -> None:
        self._client = client
        self._observe = observe
        self._path = path
        self._jitter = jitter
        self._sleep = sleep
        self._places = asyncio.Semaphore(CONCURRENT)
        self._is_failing = False

    async def ask(self, document: JsonObject) -> JsonObject:
        """Return the `status` of the answer. Raises ReviewError."""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                answer = await self._ask_patiently(document)
        except (UpstreamError, TimeoutError) as error:
            reason = str(error) or f"no answer in {DEADLINE_SECONDS:.0f} s"
            if isinstance(error, ApiStatusError) and error.code == HTTPStatus.FORBIDDEN:
                reason += f". This server's ServiceAccount needs ClusterRole {_ROLE}"
            self._note(is_failing=True, reason=reason)
            raise ReviewError(reason) from error
        self._note(is_failing=False)
        return object_at(answer, "status")

    async def _ask_patiently(self, document: JsonObject) -> JsonObject:
        pause = _FIRST_PAUSE_SECONDS
        for _ in range(_TRIES - 1):
            wanted = 0.0
            try:
                return await self._create(document)
            except UnreachableError as error:
                log.debug("review is asked again", extra={"error": str(error)})
            except ApiStatusError as error:
                if error.code not in _PASSING and not error.retry_after:
                    raise
                wanted = float(error.retry_after)
            await self._sleep(max(wanted, self._jitter(pause, 2 * pause)))
            pause *= _PAUSE_GROWTH
        return await self._create(document)

    async def _create(self, document: JsonObject) -> JsonObject:
        async with self._places:
            if self._observe is None:
                return await self._client.create(self._path, document)
            return await self._create_observed(self._observe, document)

    async def _create_observed(self, observe: Observer, document: JsonObject) -> JsonObject:
        began, code = time.monotonic(), NO_ANSWER
        try:
            answer = await self._client.create(self._path, document)
            code = str(int(HTTPStatus.CREATED))
        except ApiStatusError as error:
            code = str(error.code)
            raise
        finally:
            observe(code, time.monotonic() - began)
        return answer

    def _note(self, *, is_failing: bool, reason: str = "") -> None:
        if is_failing is self._is_failing:
            return
        self._is_failing = is_failing
        if is_failing:
            log.warning("reviews fail", extra={"path": self._path, "error": reason})
        else:
            log.info("reviews work again", extra={"path": self._path})


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    answer: T
    until: float


@dataclass(slots=True)
class _Asking(Generic[T]):
    """A question on its way; when it is over with neither, its asker has gone away."""

    over: asyncio.Event = field(default_factory=asyncio.Event)
    kept: _Kept[T] | None = None
    error: ReviewError | None = None


class Answers(Generic[T]):
    """Answers that count for some seconds. The same question at the same time is asked once.

    The least used are forgotten first. What failed is not kept: the next asker tries again.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        seconds: float = KEPT_SECONDS,
        size: int = KEPT_ANSWERS,
    ) -> None:
        self._monotonic = monotonic
        self._seconds = seconds
        self._size = size
        self._kept: OrderedDict[bytes, _Kept[T]] = OrderedDict()
        self._under_way: dict[bytes, _Asking[T]] = {}

    async def get(self, key: bytes, ask: Callable[[], Awaitable[T]], *, is_kept: bool = True) -> T:
        """Return the answer to the question that is known by `key`. Raises ReviewError."""
        while (kept := self._find(key)) is None:
            asking = self._under_way.get(key)
            if asking is None:
                return await self._ask(key, ask, is_kept=is_kept)
            await asking.over.wait()
            if asking.error is not None:
                raise ReviewError(asking.error.reason) from asking.error
            if asking.kept is not None:
                return asking.kept.answer
        return kept.answer

    async def _ask(self, key: bytes, ask: Callable[[], Awaitable[T]], *, is_kept: bool) -> T:
        asking = self._under_way[key] = _Asking[T]()
        try:
            asking.kept = _Kept(await ask(), self._monotonic() + self._seconds)
        except ReviewError as error:
            asking.error = error
            raise
        finally:
            del self._under_way[key]
            asking.over.set()
        if is_kept:
            self._keep(key, asking.kept)
        return asking.kept.answer

    def _find(self, key: bytes) -> _Kept[T] | None:
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept.until <= self._monotonic():
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return kept

    def _keep(self, key: bytes, kept: _Kept[T]) -> None:
        self._kept[key] = kept
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
