"""The log of a server, read all the time so that it never has to wait for a reader."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.server import Server

STOP_SECONDS = 30.0


class ServerLog:
    """What a server has logged that somebody should look at."""

    def __init__(self) -> None:
        self.complaints: list[dict[str, Any]] = []
        self.lines = 0

    def take(self, line: str) -> None:
        """Note a line: one that is no record, as of an interpreter that dies, is a complaint too."""
        self.lines += 1
        try:
            record = json.loads(line)
        except ValueError:
            record = {"level": "none", "message": line.rstrip()}
        if record["level"] != "info":
            self.complaints.append(record)


@contextmanager
def log_of(server: Server) -> Iterator[ServerLog]:
    """Read the log inside the block; at its end the server is told to end, and the rest is read."""
    log = ServerLog()
    lines = server.process.stderr
    assert lines is not None

    def read() -> None:
        for line in lines:
            log.take(line)

    reader = threading.Thread(target=read, name="log of the server")
    reader.start()
    try:
        yield log
    finally:
        server.process.terminate()
        reader.join(STOP_SECONDS)
