"""Bearer tokens, by asking the cluster whose they are (apiserver-protocol 8.3)."""

import asyncio
import hashlib
import random
import time
from collections.abc import Callable
from typing import Final

from apiserver.auth.identity import User
from apiserver.auth.reviews import Answers, Observer, Reviews
from apiserver.jsontypes import JsonObject, array_at, object_at, text_at
from apiserver.upstream.backoff import Jitter
from apiserver.upstream.client import Client
from apiserver.upstream.reflector import Sleep

PATH: Final = "/apis/authentication.k8s.io/v1/tokenreviews"


class TokenReviews:
    """Tokens to users, remembered for some seconds by their hashes alone."""

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
        self._answers: Answers[User | None] = Answers(monotonic)

    async def user_of(self, token: str) -> User | None:
        """Return who holds the token, None where it is nobody's. Raises ReviewError."""
        key = hashlib.sha256(token.encode(errors="surrogateescape")).digest()
        return await self._answers.get(key, lambda: self._review(token))

    async def _review(self, token: str) -> User | None:
        return reviewed_user(
            await self._reviews.ask(
                {
                    "apiVersion": "authentication.k8s.io/v1",
                    "kind": "TokenReview",
                    "spec": {"token": token},
                }
            )
        )


def reviewed_user(status: JsonObject) -> User | None:
    """Read the status of a TokenReview."""
    user = object_at(status, "user")
    name = text_at(user, "username")
    if status.get("authenticated") is not True or not name:
        return None
    extra = object_at(user, "extra")
    return User(
        name=name,
        groups=_texts(user, "groups"),
        uid=text_at(user, "uid"),
        extra={key: _texts(extra, key) for key in extra},
    )


def _texts(document: JsonObject, name: str) -> tuple[str, ...]:
    return tuple(each for each in array_at(document, name) if isinstance(each, str))
