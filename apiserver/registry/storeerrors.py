"""The errors of a store as clients are told of them, in one place."""

from collections.abc import Iterator
from contextlib import contextmanager

from apiserver.storage.interface import (
    CompactedError,
    FutureRevisionError,
    StoreUnavailableError,
    WatchOverrunError,
)
from apiserver.wire import status
from apiserver.wire.resources import Resource


@contextmanager
def store_errors(resource: Resource, verb: str) -> Iterator[None]:
    """Turn what a client cannot act on differently into the Status that makes it try again."""
    try:
        yield
    except (StoreUnavailableError, WatchOverrunError) as error:
        raise status.server_timeout(resource, verb, retry_after_seconds=1) from error
    except CompactedError as error:
        raise status.expired(status.LIST_TOO_OLD) from error
    except FutureRevisionError as error:
        raise status.too_large_resource_version(error.asked, error.current) from error
