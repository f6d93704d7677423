"""What a client wants to be written."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from apiserver.jsontypes import JsonObject
from apiserver.wire.body import Decoded
from apiserver.wire.deleteoptions import DeleteOptions
from apiserver.wire.writeoptions import WriteOptions

# Takes texts that the client is warned with, whatever becomes of the request.
Warn: TypeAlias = Callable[[Iterable[str]], object]


def unheard(_warnings: Iterable[str]) -> None:
    """Drop warnings: nobody reads them."""


class Origin(Enum):
    """Where the object of a request comes from."""

    BODY = auto()
    """It is what the client sent."""
    PATCH = auto()
    """It is what a patch made of the stored object."""
    APPLY = auto()
    """It is what an apply made of the stored object, fields and their managers."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a client wants an object to be.

    `user` is its UserInfo (authentication/v1); None where the server itself writes, which needs
    nobody's leave. `size_bytes` is how much text it took to say so.
    """

    decoded: Decoded
    options: WriteOptions
    subresource: str = ""
    size_bytes: int = 0
    origin: Origin = Origin.BODY
    user: JsonObject | None = None
    warn: Warn = unheard

    @property
    def document(self) -> JsonObject:
        """The object as it came."""
        return self.decoded.document

    @property
    def dry_run(self) -> bool:
        """Whether nothing may be stored."""
        return self.options.dry_run


@dataclass(frozen=True, slots=True)
class DeleteRequest:
    """How a client wants objects to be deleted; `user` and `warn` are those of `Request`."""

    options: DeleteOptions = DeleteOptions()  # noqa: RUF009 - it is frozen
    user: JsonObject | None = None
    warn: Warn = unheard
