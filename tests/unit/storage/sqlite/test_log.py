"""The revision log against a plain model, and its own promises."""

import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

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
from apiserver.storage.sqlite.database import open_for_writing

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
KEYS = st.sampled_from(["/a", "/a/x", "/a-b", "/b/ü", "/b/\U0010ffff"])
PREFIXES = st.sampled_from(["", "/", "/a", "/a/", "/b/", "/c"])
# How far before the last revision; negative is the future.
AGES = st.integers(-2, 12)


@dataclass
class Model:
    """The log as a list: index + 1 is the revision."""

    entries: list[tuple[str, bytes | None]]
    compacted: int = 0

    @property
    def last(self) -> int:
        return len(self.entries)

    def live(self, prefix, at):
        found = {}
        for number, (key, value) in enumerate(self.entries[:at], start=1):
            found[key] = None if value is None else Stored(key, value, Revision(number))
        return tuple(found[key] for key in sorted(found) if found[key] and key.startswith(prefix))

    def changes(self, prefix, after):
        return [
            Change(Revision(number), key, value, next(iter(self.exactly(key, number - 1)), None))
            for number, (key, value) in enumerate(self.entries, start=1)
            if number > after and key and key.startswith(prefix)
        ]

    def exactly(self, key, at):
        return [stored for stored in self.live(key, at) if stored.key == key]


class LogMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "log.db"
        self.model = Model(entries=[("", None)])
        self.open(identity="first")

    def open(self, *, identity):
        self.log = open_for_writing(self.path, identity=identity, now=BEGIN)

    def teardown(self):
        self.log.close()
        self.directory.cleanup()

    def append(self, key, value, expected):
        written = BEGIN + self.model.last * SECOND
        current = next(iter(self.model.exactly(key, self.model.last)), None)
        wanted = None if current is None else current.revision
        with self.log.transaction():
            if expected != wanted:
                refused = KeyExistsError if expected is None else RevisionConflictError
                with pytest.raises((KeyExistsError, RevisionConflictError)) as caught:
                    self.log.append(key, value, expected=expected, written=written)
                assert isinstance(caught.value, refused)
                assert caught.value.current == current
                return
            change = self.log.append(key, value, expected=expected, written=written)
        self.model.entries.append((key, value))
        assert change == Change(Revision(self.model.last), key, value, current)

    @rule(key=KEYS, value=st.binary(max_size=3))
    def create(self, key, value):
        self.append(key, value, None)

    @rule(key=KEYS, value=st.none() | st.binary(max_size=3), data=st.data())
    def write_over(self, key, value, data):
        current = [stored.revision for stored in self.model.exactly(key, self.model.last)]
        wrong = st.integers(0, self.model.last + 1)
        expected = data.draw(st.sampled_from(current) | wrong if current else wrong)
        self.append(key, value, Revision(expected))

    @rule(key=KEYS)
    def change_much_and_fail(self, key):
        with pytest.raises(ZeroDivisionError):
            self.delete_compact_and_raise(key)

    def delete_compact_and_raise(self, key):
        with self.log.transaction():
            for stored in self.model.exactly(key, self.model.last):
                self.log.append(key, None, expected=stored.revision, written=BEGIN)
            self.log.compact(Revision(self.model.last), most=1)
            raise ZeroDivisionError

    @rule(prefix=PREFIXES, age=AGES)
    def snapshot(self, prefix, age):
        at = max(self.model.last - age, 0)
        with self.log.transaction():
            if at > self.model.last:
                with pytest.raises(FutureRevisionError):
                    self.log.snapshot(prefix, at=at)
            elif at < self.model.compacted:
                with pytest.raises(CompactedError):
                    self.log.snapshot(prefix, at=at)
            else:
                found = self.log.snapshot(prefix, at=at)
                assert (found.revision, found.items) == (at, self.model.live(prefix, at))

    @rule(prefix=PREFIXES, start=PREFIXES, age=st.integers(0, 3), limit=st.integers(1, 4))
    def page(self, prefix, start, age, limit):
        at = max(self.model.last - age, self.model.compacted)
        with self.log.transaction():
            found = self.log.snapshot(prefix, at=at, start=start, limit=limit)
        live = tuple(each for each in self.model.live(prefix, at) if each.key >= start)
        assert found == Snapshot(Revision(at), live[:limit], len(live[limit:]))

    @rule(prefix=PREFIXES, age=AGES, most=st.integers(1, 5))
    def changes(self, prefix, age, most):
        after = max(self.model.last - age, 0)
        with self.log.transaction():
            if after < self.model.compacted:
                with pytest.raises(CompactedError):
                    self.log.changes(prefix, after=after, most=most)
            else:
                expected = self.model.changes(prefix, after)[:most]
                assert self.log.changes(prefix, after=after, most=most) == expected

    @rule(age=AGES, most=st.integers(1, 10))
    def compact(self, age, most):
        to = max(self.model.last - age, 0)
        with self.log.transaction():
            more = self.log.compact(to, most=most)
        target = max(min(to, self.model.last), self.model.compacted)
        self.model.compacted = min(target, self.model.compacted + most)
        assert more is (self.model.compacted < target)

    @rule(age=AGES)
    def find_a_moment(self, age):
        # The entry of revision n was written n - 1 seconds after the beginning.
        moment = BEGIN + (self.model.last - 1 - age) * SECOND
        expected = max(min(self.model.last - age, self.model.last), self.model.compacted)
        with self.log.transaction():
            assert self.log.revision_at(moment) == expected

    @rule()
    def reopen(self):
        self.log.close()
        self.open(identity="second")

    @invariant()
    def the_present_is_right(self):
        with self.log.transaction():
            live = self.model.live("", self.model.last)
            assert self.log.snapshot("").items == live
            assert [self.log.get(stored.key) for stored in live] == list(live)
            assert self.log.revision() == self.model.last
            assert self.log.compacted() == self.model.compacted
            assert self.log.identity() == "first"

    @invariant()
    def compaction_leaves_no_more_than_it_must(self):
        with closing(sqlite3.connect(self.path)) as other:
            (rows,) = other.execute("SELECT count(*) FROM log").fetchone()
        floor = self.model.compacted
        # A deletion at the floor itself stays until the next compaction.
        assert rows <= len(self.model.live("", floor)) + (self.model.last - floor) + 1


LogMachine.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestLogAgainstModel = LogMachine.TestCase


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.db"


@pytest.fixture
def log(path):
    with closing(open_for_writing(path, identity="id", now=BEGIN)) as opened:
        yield opened


def test_the_schema_itself_refuses_two_writes_on_one_revision(log, path):
    with log.transaction():
        created = log.append("/a", b"1", expected=None, written=BEGIN).revision
        log.append("/a", b"2", expected=created, written=BEGIN)

    with (
        closing(sqlite3.connect(path)) as other,
        pytest.raises(sqlite3.IntegrityError, match=r"log\.key, log\.previous"),
    ):
        other.execute("INSERT INTO log VALUES (9, '/a', ?, 0, x'')", (created,))


def test_an_acknowledged_write_is_on_the_disk(log):
    with log.transaction():
        modes = [
            log._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous")
        ]

    assert modes == ["wal", 2]


def test_a_clock_that_was_set_back_forgets_nothing_early(log):
    with log.transaction():
        for age in (0, 10, 5):
            log.append(f"/{age}", b"", expected=None, written=BEGIN + age * SECOND)

        assert log.revision_at(BEGIN + 5 * SECOND) == 2
        assert log.revision_at(BEGIN + 10 * SECOND) == 4
