"""May this user do this? Decided by the cluster's own authorizers (apiserver-protocol 8.4)."""

import asyncio
import hashlib
import random
import time
from collections.abc import Callable
from typing import Final

import orjson

from apiserver.auth.access import Decision, UndecidedError
from apiserver.auth.identity import MASTERS, User
from apiserver.auth.reviews import Answers, Observer, ReviewError, Reviews
from apiserver.jsontypes import JsonObject, text_at
from apiserver.upstream.backoff import Jitter
from apiserver.upstream.client import Client
from apiserver.upstream.reflector import Sleep
from apiserver.wire.request import RequestInfo

PATH: Final = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

# A client can make a question as large as its headers may be; those are answered and forgotten.
MAX_KEPT_BYTES: Final = 10_000


class SubjectAccessReviews:
    """Asks the cluster, and remembers for some seconds what it said, yes or no."""

    def __init__(
        self,
        client: Client,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Jitter = random.uniform,
        sleep: Sleep = asyncio.sleep,
        observe: Observer | None = None,
    ) -> None:
        self._reviews = Reviews(client, PATH, jitter=jitter, sleep=sleep, observe=observe)
        self._answers: Answers[Decision] = Answers(monotonic)

    async def decide(self, user: User, request: RequestInfo) -> Decision:
        """Tell whether the user may make the request. Raises UndecidedError."""
        if MASTERS in user.groups:
            return Decision(allowed=True)
        spec = review_spec(user, request)
        question = orjson.dumps(spec, option=orjson.OPT_SORT_KEYS)
        try:
            return await self._answers.get(
                hashlib.sha256(question).digest(),
                lambda: self._review(spec),
                is_kept=len(question) <= MAX_KEPT_BYTES,
            )
        except ReviewError as error:
            raise UndecidedError(str(error)) from error

    async def _review(self, spec: JsonObject) -> Decision:
        status = await self._reviews.ask(
            {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SubjectAccessReview",
                "spec": spec,
            }
        )
        allowed = status.get("allowed") is True and status.get("denied") is not True
        return Decision(allowed, text_at(status, "reason"))


def review_spec(user: User, request: RequestInfo) -> JsonObject:
    """Return the spec of the review that asks whether the user may make the request."""
    spec: JsonObject = {
        "user": user.name,
        "uid": user.uid,
        "groups": [*user.groups],
        "extra": {key: [*values] for key, values in user.extra.items()},
    }
    if not request.is_resource:
        return {**spec, "nonResourceAttributes": {"path": request.path, "verb": request.verb}}
    attributes = {
        "namespace": request.namespace,
        "verb": request.verb,
        "group": request.group,
        "version": request.version,
        "resource": request.resource,
        "subresource": request.subresource,
        "name": request.name,
    }
    return {**spec, "resourceAttributes": {key: each for key, each in attributes.items() if each}}
