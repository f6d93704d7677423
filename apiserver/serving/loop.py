"""The event loop of both programs: uvloop's, but for its one way to close what belongs to others."""

import gc
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")


class Loop(uvloop.Loop):
    """An event loop that lets go of a socket which it could not use."""

    # uvloop closes the descriptor of a given socket where the connection does not come about, and the
    # socket, which does not know, closes that number again when it is collected (0.23,
    # MagicStack/uvloop#653). By then it is of another connection, or of a file. aiohttp connects like
    # that. Seen where kube-apiserver was killed, which resets what it has not accepted yet: requests
    # failed with "File descriptor 5 is used by transport", and the process was aborted.
    async def create_connection(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as many forms as the base's
        """Connect, as the loop's base does; a `sock` belongs to the loop from here on."""
        try:
            return await super().create_connection(*arguments, **options)
        except BaseException:
            if (sock := options.get("sock")) is not None:
                sock.detach()
            raise


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a program to its end, as `asyncio.run` does."""
    # Modules stay to the end: the collector need not walk through them again and again. And what it
    # looks for is rare, while each connection and watch has many objects that live long. With its own
    # thresholds (700, 10, 10) it took a quarter of the time of a server that tells 1,000 watches.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
    return uvloop.run(main, loop_factory=Loop)
