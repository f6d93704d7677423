"""Whether there is room for one more of what is limited, held from the last look until the write."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from apiserver.jsontypes import JsonObject


class Claims(Protocol):
    """Asked around each write that a user wants; what admission says is long past by then."""

    def claimed(
        self, document: JsonObject, old: JsonObject | None = None
    ) -> AbstractAsyncContextManager[None]:
        """Hold a place for what `document` is going to be, over `old` or (None) as a new object.

        The block is the write, and how it ends says what has become of it. Entering raises ApiError.
        """


class Unclaimed:
    """Nothing is limited."""

    @asynccontextmanager
    async def claimed(
        self, document: JsonObject, old: JsonObject | None = None
    ) -> AsyncGenerator[None]:
        """Hold nothing."""
        del document, old
        yield
