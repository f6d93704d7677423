"""The revision log as SQL on one connection: synchronous, and without threads.

One table holds everything. A row is a change and its number the revision. Each row names the row
of the same key that it replaces, so the rows of a key are a chain; its last row is the present:

    revision  key  previous  value
           1             0   NULL      the store was made
           2  /a         0   "one"     replaced by 4
           3  /b         0   "x"       replaced by 5
           4  /a         2   "two"     live
           5  /b         3   NULL      /b is deleted

* Two writes on top of the same revision cannot both be: (key, previous) is unique.
* Revisions have no gaps. The first is 1, because clients take "0" for "any".
* The state at revision R is every row up to R with a value that no row up to R replaces.
* Compaction to R removes the rows that are replaced by a row up to R, and the deletions before R:
  to 4, rows 1 and 2; to 5, row 3 as well. The log's last row always stays, and with it the number
  that the next one counts from.
"""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import final

from apiserver.storage.interface import (
    Change,
    CompactedError,
    FutureRevisionError,
    KeyExistsError,
    Revision,
    RevisionConflictError,
    Snapshot,
    Stored,
)
from apiserver.storage.keys import next_start, prefix_end

# INDEXED BY and NOT INDEXED (walk by revision) are promises rather than hints: a statement that
# could not keep them is an error, so no plan can become a scan as the data changes.
_APPEND = "INSERT INTO log (revision, key, previous, written, value) VALUES (?, ?, ?, ?, ?)"
_NEWEST = "SELECT revision, value FROM log WHERE key = ? ORDER BY previous DESC LIMIT 1"
_LIVE = """
    FROM log AS kept INDEXED BY chain
    WHERE key >= :first AND key < :end AND revision <= :at AND value IS NOT NULL
    AND NOT EXISTS (
        SELECT 1 FROM log AS later INDEXED BY chain
        WHERE later.key = kept.key AND later.previous = kept.revision AND later.revision <= :at)"""
_PAGE = f"SELECT key, value, revision {_LIVE} ORDER BY key LIMIT :limit"
_COUNT = f"SELECT count(*) {_LIVE}"
_CHANGES = """
    SELECT new.revision, new.key, new.value, old.value, old.revision
    FROM log AS new NOT INDEXED LEFT JOIN log AS old ON old.revision = new.previous
    WHERE new.revision > :after AND new.key >= :first AND new.key < :end
    ORDER BY new.revision LIMIT :most"""
_REPLACED = """
    DELETE FROM log WHERE revision IN (
        SELECT previous FROM log NOT INDEXED WHERE revision > :floor AND revision <= :to)"""
_DELETIONS = "DELETE FROM log WHERE revision >= :floor AND revision < :to AND value IS NULL"
_FIRST_WRITTEN_AFTER = """
    SELECT revision FROM log NOT INDEXED
    WHERE revision > ? AND written > ? ORDER BY revision LIMIT 1"""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@final
class Log:
    """One connection to the log. All but `close` happens within `transaction()`."""

    def __init__(self, connection: sqlite3.Connection, *, begin: str) -> None:
        self._connection = connection
        self._begin = begin

    def close(self) -> None:
        """Close the connection; idempotent."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Generator[None]:
        """See one state of the log, and make all changes or none.

        Raises sqlite3.Error where the database fails: then nothing was changed, as far as a
        failing disk lets anybody know.
        """
        self._connection.execute(self._begin)
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.rollback()
            raise

    def identity(self) -> str:
        """Return the id that was made with the log."""
        (identity,) = self._connection.execute("SELECT identity FROM meta").fetchone()
        return str(identity)

    def revision(self) -> Revision:
        """Return the number of the last row."""
        return self._number("SELECT max(revision) FROM log")

    def compacted(self) -> Revision:
        """Return the oldest revision that can still be read, 0 if all can."""
        return self._number("SELECT compacted FROM meta")

    def get(self, key: str) -> Stored | None:
        """Return the live value of `key`, or None."""
        revision, value = self._newest(key)
        return None if value is None else Stored(key, value, revision)

    def snapshot(
        self, prefix: str, *, at: Revision | None = None, start: str = "", limit: int = 0
    ) -> Snapshot:
        """Return what was live under `prefix` at a revision, the last if None: see `Store.list`.

        Raises `CompactedError` or `FutureRevisionError`.
        """
        last = self.revision()
        at = last if at is None else at
        if at > last:
            raise FutureRevisionError(at, last)
        self._reach(at)
        bounds = {**_range(prefix, start), "at": at}
        # To SQLite every negative limit is none.
        rows = self._connection.execute(_PAGE, {**bounds, "limit": limit or -1})
        items = tuple(Stored(*row) for row in rows)
        if not limit or len(items) < limit:
            return Snapshot(at, items)
        rest = {**bounds, "first": next_start(items[-1].key)}
        (remaining,) = self._connection.execute(_COUNT, rest).fetchone()
        return Snapshot(at, items, remaining)

    def changes(
        self, prefix: str, *, after: Revision, most: int, most_bytes: int = 0
    ) -> list[Change]:
        """Return the first `most` changes under `prefix` later than `after`, oldest first.

        Where `most_bytes` is not 0, the one that goes beyond so many bytes is the last. Raises `CompactedError`. A revision in the future has no changes yet.
        """
        self._reach(after)
        rows = self._connection.execute(_CHANGES, {**_range(prefix), "after": after, "most": most})
        changes, size = [], 0
        for revision, key, value, old, previous in rows:
            stored = None if old is None else Stored(key, old, previous)
            changes.append(Change(revision, key, value, stored))
            size += changes[-1].size
            if 0 < most_bytes <= size:
                break
        return changes

    def append(
        self, key: str, value: bytes | None, *, expected: Revision | None, written: datetime
    ) -> Change:
        """Write `value` (None deletes) over the live row `expected` (None: over no live row).

        Raises `KeyExistsError` or `RevisionConflictError`, and has then changed nothing.
        """
        newest, old = self._newest(key)
        current = None if old is None else Stored(key, old, newest)
        if expected is None and current is not None:
            raise KeyExistsError(current)
        if expected is not None and (current is None or current.revision != expected):
            raise RevisionConflictError(key, current)
        revision = Revision(self.revision() + 1)
        row = (revision, key, newest, microseconds(written), value)
        self._connection.execute(_APPEND, row)
        return Change(revision, key, value, current)

    def revision_at(self, moment: datetime) -> Revision:
        """Return the last revision that was the present no later than `moment`."""
        since = (self.compacted(), microseconds(moment))
        row = self._connection.execute(_FIRST_WRITTEN_AFTER, since).fetchone()
        return self.revision() if row is None else Revision(row[0] - 1)

    def compact(self, to: Revision, *, most: int) -> bool:
        """Forget what was replaced or deleted before `to`, going forward `most` revisions at most.

        Every step is a complete compaction to a nearer revision. Returns whether one more is
        needed.
        """
        floor = self.compacted()
        target = min(to, self.revision())
        step = min(target, floor + most)
        if step <= floor:
            return False
        bounds = {"floor": floor, "to": step}
        self._connection.execute(_REPLACED, bounds)
        self._connection.execute(_DELETIONS, bounds)
        self._connection.execute("UPDATE meta SET compacted = ?", (step,))
        return step < target

    def _newest(self, key: str) -> tuple[Revision, bytes | None]:
        row: tuple[Revision, bytes | None] | None
        row = self._connection.execute(_NEWEST, (key,)).fetchone()
        return row or (Revision(0), None)

    def _reach(self, revision: Revision) -> None:
        compacted = self.compacted()
        if revision < compacted:
            raise CompactedError(revision, compacted)

    def _number(self, statement: str) -> Revision:
        (number,) = self._connection.execute(statement).fetchone()
        return Revision(number)


def microseconds(moment: datetime) -> int:
    """Return the time since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def _range(prefix: str, start: str = "") -> dict[str, str | bytes]:
    # No key is empty (only the row that made the store is), and to SQLite every text is less
    # than every blob.
    return {"first": max(prefix, start) or "\0", "end": prefix_end(prefix) or b""}
