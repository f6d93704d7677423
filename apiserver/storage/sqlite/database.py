"""The database file of the log: made, opened, and refused if it is not one of ours.

Only the connection that `open_for_writing` gives ever writes or checkpoints. SQLite up to 3.51.2
can lose pages when two connections write or checkpoint at the same moment ("The WAL-Reset Bug" in
SQLite's documentation of write-ahead logging); Debian 12 has 3.40.1.
"""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from apiserver.storage.interface import StoreError, StoreUnavailableError
from apiserver.storage.sqlite.log import Log, microseconds

SCHEMA_VERSION = 1

_SCHEMA = (
    """CREATE TABLE meta (
        identity TEXT NOT NULL,
        schema_version INTEGER NOT NULL,
        compacted INTEGER NOT NULL
    ) STRICT""",
    # `written` (microseconds since 1970) stands before `value`: what only looks at times does not
    # read the pages of large values.
    """CREATE TABLE log (
        revision INTEGER PRIMARY KEY,
        key TEXT NOT NULL,
        previous INTEGER NOT NULL,
        written INTEGER NOT NULL,
        value BLOB
    ) STRICT""",
    "CREATE UNIQUE INDEX chain ON log (key, previous)",
)


class UnknownSchemaError(StoreError):
    """The file was written by another version of this program."""

    def __init__(self, path: Path, found: int) -> None:
        super().__init__(f"{path} has schema version {found}, this program knows {SCHEMA_VERSION}")
        self.path = path
        self.found = found


def open_for_writing(path: Path, *, identity: str, now: datetime) -> Log:
    """Open the log, and make it with this identity where there is none.

    Raises `UnknownSchemaError`, or `StoreUnavailableError` if the file cannot be used.
    """
    with _opening(path) as connection:
        # FULL: a commit returns when the write-ahead log is on the disk, so that what was
        # acknowledged survives a power failure (NORMAL would sync at checkpoints only).
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        log = Log(connection, begin="BEGIN IMMEDIATE")
        with log.transaction():
            _make_schema(connection, identity=identity, now=now)
            _check_schema(connection, path)
    return log


def open_for_reading(path: Path) -> Log:
    """Open a log that was made before. Raises `StoreUnavailableError` if it cannot be used."""
    with _opening(path) as connection:
        connection.execute("PRAGMA query_only = ON")
    return Log(connection, begin="BEGIN")


@contextmanager
def _opening(path: Path) -> Generator[sqlite3.Connection]:
    # Opened here and used in another thread, one at a time. Transactions are the log's own.
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise StoreUnavailableError(f"cannot open {path}: {error}") from error
    try:
        yield connection
    except sqlite3.Error as error:
        connection.close()
        raise StoreUnavailableError(f"cannot use {path}: {error}") from error
    except BaseException:
        connection.close()
        raise


def _make_schema(connection: sqlite3.Connection, *, identity: str, now: datetime) -> None:
    tables = "SELECT count(*) FROM sqlite_schema WHERE name = 'meta'"
    if connection.execute(tables).fetchone() != (0,):
        return
    for statement in _SCHEMA:
        connection.execute(statement)
    connection.execute("INSERT INTO meta VALUES (?, ?, 0)", (identity, SCHEMA_VERSION))
    connection.execute("INSERT INTO log VALUES (1, '', 0, ?, NULL)", (microseconds(now),))


def _check_schema(connection: sqlite3.Connection, path: Path) -> None:
    (found,) = connection.execute("SELECT schema_version FROM meta").fetchone()
    if found != SCHEMA_VERSION:
        raise UnknownSchemaError(path, found)
