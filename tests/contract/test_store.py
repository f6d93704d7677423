"""What every store promises (the rules of `apiserver.storage.interface`)."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from apiserver.storage.interface import (
    Change,
    CompactedError,
    FutureRevisionError,
    KeyExistsError,
    RevisionConflictError,
    Snapshot,
    Stored,
    StoreUnavailableError,
    WatchOverrunError,
)
from apiserver.storage.keys import next_start

ALL = "/g/r/"
A = "/g/r/ns/a"
B = "/g/r/ns/b"


class Taken:
    """The changes of a watch one by one."""

    def __init__(self, changes):
        self._changes = changes
        self._rest = []

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self._rest:
            self._rest = [*await anext(self._changes)]
            assert self._rest, "there is never nothing"
        return self._rest.pop(0)


@asynccontextmanager
async def watching(store, prefix, *, after):
    """Open a watch, and give its changes one by one."""
    async with store.watch(prefix, after=after) as changes:
        yield Taken(changes)


async def take(changes, count):
    """Wait for `count` changes."""
    async with asyncio.timeout(20):
        return [await anext(changes) for _ in range(count)]


async def read_history(store, prefix, *, after, until):
    """Return the changes after a revision, up to the one written at `until`."""
    seen = []
    async with asyncio.timeout(20), watching(store, prefix, after=after) as changes:
        async for change in changes:
            seen.append(change)
            if change.revision == until:
                break
    return seen


async def read_to_the_end(changes, error):
    """Return the changes that come before the watch ends with `error`."""
    seen = []
    async with asyncio.timeout(20):
        try:
            async for change in changes:
                seen.append(change)  # noqa: PERF401 - a comprehension would lose them
        except error:
            return seen
    pytest.fail("the watch ended without error")


async def write_many(store, numbers):
    """Create one key for each number, 100 at a time."""
    waiting = iter(numbers)

    async def write():
        for number in waiting:
            await store.create(f"{ALL}many/{number:05}", b"%d" % number)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(100):
            tasks.create_task(write())


# Rule 1: revisions


async def test_a_new_store_has_a_revision_that_clients_can_resume_from(store):
    revision = await store.current_revision()

    assert revision > 0
    assert (await store.list(ALL)).revision == revision


async def test_each_write_has_a_greater_revision_than_the_one_before(store):
    before = await store.current_revision()

    created = await store.create(A, b"1")
    updated = await store.update(A, b"2", expected=created)
    deleted = await store.delete(A, expected=updated)

    assert before < created < updated < deleted == await store.current_revision()


async def test_a_refused_write_takes_no_revision(store):
    created = await store.create(A, b"1")

    with pytest.raises(KeyExistsError):
        await store.create(A, b"2")

    assert await store.current_revision() == created


async def test_writes_at_the_same_time_have_different_revisions(store):
    before = await store.current_revision()

    await write_many(store, range(500))

    items = (await store.list(ALL)).items
    assert len({item.revision for item in items}) == 500
    assert all(item.revision > before for item in items)


# Rule 2: reads of the present


async def test_a_read_sees_the_write_that_was_just_acknowledged(store):
    revision = await store.create(A, b"0")

    for number in range(1, 50):
        revision = await store.update(A, b"%d" % number, expected=revision)

        assert await store.get(A) == Stored(A, b"%d" % number, revision)
        assert await store.current_revision() >= revision
        assert (await store.list(ALL)).items == (Stored(A, b"%d" % number, revision),)


async def test_a_key_that_was_never_written_or_is_deleted_is_not_there(store):
    created = await store.create(A, b"1")
    await store.delete(A, expected=created)

    assert await store.get(A) is None
    assert await store.get(B) is None
    assert (await store.list(ALL)).items == ()


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(bytes(range(256)), id="every byte"),
        pytest.param(b"x" * 1_500_000, id="as large as objects get"),
    ],
)
async def test_a_value_comes_back_as_it_was_written(store, value):
    await store.create(A, value)

    found = await store.get(A)

    assert found is not None
    assert found.value == value


# Rule 3: lists


async def test_a_list_holds_the_prefix_and_nothing_beside_it(store):
    inside = [
        "/g/r/ns/",
        "/g/r/ns/a",
        "/g/r/ns/a/b",
        "/g/r/ns/\U0010ffff",
        "/g/r/ns/ü",
        "/g/r/ns/界",
    ]
    outside = [
        "/g/r/ns",
        "/g/r/ns-a/x",
        "/g/r/ns.a/x",
        "/g/r/ns0",
        "/g/r/nsa/x",
        "/g/r/NS/a",
        "/g/r/n_/a",
    ]
    for key in inside + outside:
        await store.create(key, key.encode())

    found = await store.list("/g/r/ns/")

    assert [item.key for item in found.items] == sorted(inside, key=str.encode)
    assert all(item.value == item.key.encode() for item in found.items)


@pytest.mark.parametrize(
    ("prefix", "count"),
    [
        pytest.param("", 6, id="everything"),
        pytest.param("/", 6, id="a slash"),
        pytest.param("/%", 1, id="a wildcard is a character"),
        pytest.param("/\U0010ffff", 2, id="the last character"),
        pytest.param("/\ud7ff", 1, id="the last before the surrogates"),
        pytest.param("/none", 0, id="none"),
    ],
)
async def test_any_text_is_a_prefix(store, prefix, count):
    for key in ["/%", "/a", "/\U0010ffff", "/\U0010ffffa", "/\ud7ff", "/\ue000"]:
        await store.create(key, b"")

    assert len((await store.list(prefix)).items) == count


async def test_a_list_of_all_namespaces_is_ordered_by_the_bytes_of_the_whole_key(store):
    for key in ["t/a", "t-b/a", "t.c/a", "t0/a", "t/Z", "t/ü", "t/a-b", "t/a.b"]:
        await store.create(ALL + key, b"")

    found = [item.key.removeprefix(ALL) for item in (await store.list(ALL)).items]

    assert found == ["t-b/a", "t.c/a", "t/Z", "t/a", "t/a-b", "t/a.b", "t/ü", "t0/a"]


async def test_a_list_at_a_revision_is_as_it_was_then(store):
    first = await store.create(A, b"1")
    second = await store.create(B, b"2")
    third = await store.update(A, b"3", expected=first)
    fourth = await store.delete(B, expected=second)
    fifth = await store.create(B, b"5")

    states = [(await store.list(ALL, at=at)) for at in (first, second, third, fourth, fifth)]

    assert [state.revision for state in states] == [first, second, third, fourth, fifth]
    assert [{item.key: item.value for item in state.items} for state in states] == [
        {A: b"1"},
        {A: b"1", B: b"2"},
        {A: b"3", B: b"2"},
        {A: b"3"},
        {A: b"3", B: b"5"},
    ]


async def test_a_list_among_writes_is_one_state(store):
    left = await store.create(A, b"0")
    right = await store.create(B, b"0")

    async def count_up():
        nonlocal left, right
        for number in range(1, 200):
            left = await store.update(A, b"%d" % number, expected=left)
            right = await store.update(B, b"%d" % number, expected=right)

    async with asyncio.TaskGroup() as tasks:
        counting = tasks.create_task(count_up())
        while not counting.done():
            state = await store.list(ALL)
            a, b = (int(item.value) for item in state.items)

            assert 0 <= a - b <= 1
            assert max(item.revision for item in state.items) == state.revision


async def test_a_list_at_a_revision_to_come_fails(store):
    current = await store.current_revision()

    with pytest.raises(FutureRevisionError) as caught:
        await store.list(ALL, at=current + 1)

    assert (caught.value.asked, caught.value.current) == (current + 1, current)


# Rule 3: pages


async def read_pages(store, prefix, *, at=None, limit, between=None):
    """Read a snapshot page by page, and do something between any two pages."""
    pages = [await store.list(prefix, at=at, limit=limit)]
    while pages[-1].remaining:
        if between is not None:
            await between()
        start = next_start(pages[-1].items[-1].key)
        pages.append(await store.list(prefix, at=pages[0].revision, start=start, limit=limit))
    return pages


ODD_KEYS = ["a", "a-b/x", "a.b/x", "a/", "a/\0", "a/\0b", "a/x", "a/x-y", "a/x/y", "a0", "a/ü"]
ODD_KEYS += ["a/\ud7ff", "a/\ue000", "a/\U0010ffff", "\U0010ffff", "\U0010ffff\U0010ffff"]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("prefix", ["", "a", "a/", "a/x", "\U0010ffff", "b"])
async def test_pages_together_are_the_list(store, prefix, limit):
    for key in ODD_KEYS:
        await store.create(key, key.encode())
    whole = await store.list(prefix)

    pages = await read_pages(store, prefix, limit=limit)

    assert tuple(item for page in pages for item in page.items) == whole.items
    assert all(len(page.items) == limit for page in pages[:-1])
    counted = len(whole.items)
    for page in pages:
        counted -= len(page.items)
        assert (page.revision, page.remaining) == (whole.revision, counted)


async def test_pages_are_one_snapshot_while_everything_is_rewritten(store):
    revisions = {
        key: await store.create(key, b"old") for key in (f"{ALL}{each:02}" for each in range(20))
    }
    whole = await store.list(ALL)
    news = iter(range(100))

    async def change_everything():
        for key, revision in list(revisions.items())[::2]:
            revisions[key] = await store.update(key, b"new", expected=revision)
        key, revision = revisions.popitem()
        await store.delete(key, expected=revision)
        await store.create(f"{ALL}05-{next(news)}", b"new")

    pages = await read_pages(store, ALL, limit=3, between=change_everything)

    assert len(pages) == 7
    assert tuple(item for page in pages for item in page.items) == whole.items
    assert (await store.list(ALL)).items != whole.items


async def test_pages_of_the_past_count_what_was_there_then(store):
    first = await store.create(ALL + "a", b"1")
    await store.create(ALL + "b", b"2")
    then = await store.create(ALL + "c", b"3")
    await store.delete(ALL + "a", expected=first)
    await store.create(ALL + "d", b"4")

    page = await store.list(ALL, at=then, limit=1)

    assert (page.revision, page.remaining) == (then, 2)
    assert page.items == (Stored(ALL + "a", b"1", first),)
    assert (await store.list(ALL, limit=1)).remaining == 2


async def test_pages_go_on_at_the_compacted_revision_and_fail_below_it(store, store_backend):
    first = await store.create(A, b"1")
    second = await store.create(B, b"2")
    third = await store.update(B, b"3", expected=second)
    page = await store.list(ALL, at=second, limit=1)

    await store_backend.compact(second)
    rest = await store.list(ALL, at=second, start=next_start(A), limit=1)
    await store_backend.compact(third)
    with pytest.raises(CompactedError):
        await store.list(ALL, at=second, start=next_start(A), limit=1)

    assert page == Snapshot(second, (Stored(A, b"1", first),), remaining=1)
    assert rest == Snapshot(second, (Stored(B, b"2", second),), remaining=0)


@pytest.mark.parametrize(
    ("start", "found"),
    [
        pytest.param("", ["a", "b"], id="nothing is left out"),
        pytest.param("/", ["a", "b"], id="before the prefix"),
        pytest.param(ALL, ["a", "b"], id="the prefix itself"),
        pytest.param(ALL + "a", ["a", "b"], id="a key is not left out itself"),
        pytest.param(ALL + "a\0", ["b"], id="after a key"),
        pytest.param(ALL + "c", [], id="after the last key"),
        pytest.param("/g/s", [], id="after the prefix"),
    ],
)
async def test_a_page_starts_where_it_is_told_to_and_keeps_to_its_prefix(store, start, found):
    for key in ("/g/q/x", ALL + "a", ALL + "b", "/g/s/x"):
        await store.create(key, b"")

    items = (await store.list(ALL, start=start, limit=10)).items

    assert [item.key.removeprefix(ALL) for item in items] == found


# Rule 2: waiting for a revision


async def test_a_revision_that_was_reached_is_not_waited_for(store):
    created = await store.create(A, b"1")

    async with asyncio.timeout(20):
        await store.reached(created)
        await store.reached(0)


async def test_who_waits_for_a_revision_can_read_it_then(store):
    current = await store.current_revision()

    async def read_when_reached():
        await store.reached(current + 2)
        return await store.list(ALL, at=current + 2)

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(read_when_reached())
        await store.create(A, b"1")
        assert not waiting.done()
        await store.create("/elsewhere", b"2")

    assert [item.key for item in waiting.result().items] == [A]


async def test_waiting_for_a_revision_among_many_writes_ends_with_it(store):
    current = await store.current_revision()

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(store.reached(current + each)) for each in range(0, 500, 7)]
        await write_many(store, range(500))

    assert all(each.done() for each in waiting)


async def test_a_closed_store_is_not_waited_for(store_backend):
    async with asyncio.TaskGroup() as tasks:
        async with store_backend.open() as store:
            ahead = await store.current_revision() + 1
            waiting = tasks.create_task(await_unavailable(store, ahead))
            await store.get(A)
        await waiting


async def await_unavailable(store, revision):
    async with asyncio.timeout(20):
        with pytest.raises(StoreUnavailableError):
            await store.reached(revision)


# Rule 4: compare and set


async def test_create_of_a_live_key_names_what_is_there(store):
    created = await store.create(A, b"1")

    with pytest.raises(KeyExistsError) as caught:
        await store.create(A, b"2")

    assert caught.value.current == Stored(A, b"1", created)
    assert await store.get(A) == Stored(A, b"1", created)


async def test_a_deleted_key_can_be_created_again(store):
    created = await store.create(A, b"1")
    deleted = await store.delete(A, expected=created)

    again = await store.create(A, b"2")

    assert again > deleted
    assert await store.get(A) == Stored(A, b"2", again)


@pytest.mark.parametrize("verb", ["update", "delete"])
@pytest.mark.parametrize(
    "expected",
    [
        pytest.param("replaced", id="a replaced revision"),
        pytest.param("other", id="the revision of another key"),
        pytest.param("future", id="a revision to come"),
        pytest.param("zero", id="zero"),
    ],
)
async def test_a_write_on_another_revision_conflicts_and_names_what_is_there(
    store, verb, expected
):
    replaced = await store.create(A, b"1")
    other = await store.create(B, b"2")
    current = await store.update(A, b"3", expected=replaced)
    revision = {"replaced": replaced, "other": other, "future": current + 1, "zero": 0}[expected]

    with pytest.raises(RevisionConflictError) as caught:
        await write(store, verb, A, expected=revision)

    assert caught.value.current == Stored(A, b"3", current)
    assert await store.get(A) == Stored(A, b"3", current)
    assert await store.current_revision() == current


@pytest.mark.parametrize("verb", ["update", "delete"])
async def test_a_write_on_a_key_that_is_not_there_conflicts_with_nothing(store, verb):
    created = await store.create(A, b"1")
    deleted = await store.delete(A, expected=created)

    for key, expected in [(A, created), (A, deleted), (B, created), (B, 0)]:
        with pytest.raises(RevisionConflictError) as caught:
            await write(store, verb, key, expected=expected)

        assert caught.value.current is None
        assert caught.value.key == key


async def write(store, verb, key, *, expected):
    if verb == "delete":
        await store.delete(key, expected=expected)
    else:
        await store.update(key, b"", expected=expected)


async def test_of_many_creates_of_one_key_one_wins(store):
    async def create(number):
        try:
            return await store.create(A, b"%d" % number)
        except KeyExistsError:
            return None

    async with asyncio.TaskGroup() as tasks:
        creating = [tasks.create_task(create(number)) for number in range(100)]

    [winner] = [task.result() for task in creating if task.result() is not None]
    assert (await store.get(A)).revision == winner


async def test_a_hundred_writers_of_one_key_lose_no_update(store):
    await store.create(A, b"0")

    async def add_one():
        while True:
            found = await store.get(A)
            try:
                await store.update(A, b"%d" % (int(found.value) + 1), expected=found.revision)
            except RevisionConflictError:
                continue
            return

    async with asyncio.TaskGroup() as tasks:
        for _ in range(100):
            tasks.create_task(add_one())

    assert (await store.get(A)).value == b"100"


async def test_a_cancelled_caller_leaves_nothing_broken(store):
    revisions = await store.current_revision()

    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            writing = tasks.create_task(store.create(f"{ALL}{number:02}", b""))
            reading = tasks.create_task(store.list(ALL))
            await asyncio.sleep(0)
            writing.cancel()
            reading.cancel()

    last = await store.create(A, b"1")
    written = await read_history(store, ALL, after=revisions, until=last)
    assert [item.key for item in (await store.list(ALL)).items] == [each.key for each in written]


# Rule 5: watches


async def test_a_watch_gives_each_change_with_the_value_before(store):
    start = await store.current_revision()

    async with watching(store, ALL, after=start) as changes:
        created = await store.create(A, b"1")
        updated = await store.update(A, b"2", expected=created)
        deleted = await store.delete(A, expected=updated)
        again = await store.create(A, b"3")

        assert await take(changes, 4) == [
            Change(created, A, b"1", None),
            Change(updated, A, b"2", Stored(A, b"1", created)),
            Change(deleted, A, None, Stored(A, b"2", updated)),
            Change(again, A, b"3", None),
        ]


async def test_history_is_told_like_news(store):
    start = await store.current_revision()
    created = await store.create(A, b"1")
    updated = await store.update(A, b"2", expected=created)
    deleted = await store.delete(A, expected=updated)
    again = await store.create(A, b"3")

    assert await read_history(store, ALL, after=start, until=again) == [
        Change(created, A, b"1", None),
        Change(updated, A, b"2", Stored(A, b"1", created)),
        Change(deleted, A, None, Stored(A, b"2", updated)),
        Change(again, A, b"3", None),
    ]


async def test_a_watch_begins_after_the_revision_it_names(store):
    created = await store.create(A, b"1")
    updated = await store.update(A, b"2", expected=created)

    assert [
        change.revision for change in await read_history(store, ALL, after=created, until=updated)
    ] == [updated]


async def test_a_watch_sees_its_prefix_only(store):
    start = await store.current_revision()
    await store.create("/g/r/ns-a/x", b"")
    await store.create("/g/r/ns/x", b"")

    async with watching(store, "/g/r/ns/", after=start) as changes:
        await store.create("/g/r/ns.a/x", b"")
        await store.create("/g/r/ns0/x", b"")
        await store.create("/g/r/ns/ü", b"")

        assert [change.key for change in await take(changes, 2)] == ["/g/r/ns/x", "/g/r/ns/ü"]


async def test_a_watch_begun_among_a_thousand_writes_sees_each_once_and_in_order(store):
    start = await store.current_revision()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write_many(store, range(1000)))
        async with watching(store, ALL, after=start) as early:
            await take(early, 300)
        async with watching(store, ALL, after=start) as changes:
            seen = await take(changes, 1000)

    revisions = [change.revision for change in seen]
    assert revisions == sorted(set(revisions))
    assert {change.key for change in seen} == {f"{ALL}many/{number:05}" for number in range(1000)}


async def test_a_watch_reads_a_long_history_and_goes_on(store):
    start = await store.current_revision()
    await write_many(store, range(2300))

    async with watching(store, ALL, after=start) as changes:
        history = await take(changes, 2300)
        new = await store.create(A, b"")
        news = await take(changes, 1)

    revisions = [change.revision for change in history]
    assert revisions == sorted(set(revisions))
    assert news == [Change(new, A, b"", None)]


async def test_a_watch_from_a_revision_to_come_waits_for_it(store):
    current = await store.current_revision()

    async with watching(store, ALL, after=current + 2) as changes:
        await store.create(ALL + "a", b"")
        await store.create(ALL + "b", b"")
        last = await store.create(ALL + "c", b"")

        assert await take(changes, 1) == [Change(last, ALL + "c", b"", None)]


async def test_a_slow_watch_is_cut_off_and_holds_up_nobody(store, store_backend):
    start = await store.current_revision()
    written = store_backend.changes_that_overrun

    async with (
        watching(store, ALL, after=start) as slow,
        watching(store, ALL, after=start) as quick,
        asyncio.TaskGroup() as tasks,
    ):
        reading = tasks.create_task(take(quick, written))
        await write_many(store, range(written))
        all_changes = await reading
        seen = await read_to_the_end(slow, WatchOverrunError)

    assert len(all_changes) == written
    assert seen == all_changes[: len(seen)]


async def test_a_watch_that_was_cut_off_resumes_where_it_stopped(store, store_backend):
    start = await store.current_revision()
    written = store_backend.changes_that_overrun
    async with watching(store, ALL, after=start) as slow:
        await write_many(store, range(written))
        seen = await read_to_the_end(slow, WatchOverrunError)

    resume = seen[-1].revision if seen else start
    async with watching(store, ALL, after=resume) as changes:
        rest = await take(changes, written - len(seen))

    assert len({change.key for change in seen + rest}) == written


async def test_a_cancelled_wait_for_a_change_ends_only_that_watch(store):
    start = await store.current_revision()

    async with watching(store, ALL, after=start) as other:
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(read_history(store, ALL, after=start, until=None))
            await store.get(A)
            waiting.cancel()
        created = await store.create(A, b"1")

        assert await take(other, 1) == [Change(created, A, b"1", None)]


async def test_what_is_there_already_comes_together(store):
    start = await store.current_revision()
    await write_many(store, range(10))

    async with asyncio.timeout(20), store.watch(ALL, after=start) as changes:
        history = await anext(changes)
        await write_many(store, range(10, 20))
        news = await anext(changes)

    assert (len(history), len(news)) == (10, 10)


async def test_a_watch_passes_what_is_not_under_its_prefix(store):
    start = await store.create("/elsewhere", b"1")

    async with asyncio.timeout(20), store.watch(ALL, after=start) as changes:
        created = await store.create(A, b"1")
        elsewhere = await store.update("/elsewhere", b"2", expected=start)
        before = changes.passed
        await anext(changes)
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(next_of(changes))
            elsewhere = await store.update("/elsewhere", b"3", expected=elsewhere)
            while_waiting = changes.passed
            await store.create(B, b"1")
        await waiting

    assert start <= before < created
    assert while_waiting == elsewhere


async def test_a_watch_that_reads_history_has_passed_what_it_gave_out(store):
    start = await store.current_revision()
    await write_many(store, range(1200))
    last = await store.create("/elsewhere", b"")

    async with asyncio.timeout(20), store.watch(ALL, after=start) as changes:
        seen = await anext(changes)
        while len(seen) < 1200:
            assert changes.passed == seen[-1].revision < last
            seen = [*seen, *await anext(changes)]
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(next_of(changes))
            await store.create(A, b"")
        await waiting

    assert [change.revision for change in seen] == [*range(start + 1, start + 1201)]


async def next_of(changes):
    return await anext(changes)


# Rule 6: history


async def test_compaction_keeps_what_is_live(store, store_backend):
    created = await store.create(A, b"1")
    await store.create(B, b"2")
    updated = await store.update(A, b"3", expected=created)
    gone = await store.create(ALL + "gone", b"")
    last = await store.delete(ALL + "gone", expected=gone)
    before = await store.list(ALL)

    await store_backend.compact(last)

    assert await store.list(ALL) == before
    assert await store.get(A) == Stored(A, b"3", updated)
    assert await store.current_revision() == last


async def test_reads_and_watches_below_the_compacted_revision_fail_at_once(store, store_backend):
    first = await store.create(A, b"1")
    second = await store.update(A, b"2", expected=first)
    third = await store.update(A, b"3", expected=second)

    await store_backend.compact(second)

    with pytest.raises(CompactedError) as read:
        await store.list(ALL, at=first)
    with pytest.raises(CompactedError) as watched:
        async with watching(store, ALL, after=first):
            pytest.fail("the watch began")
    assert (read.value.asked, read.value.compacted) == (first, second)
    assert (watched.value.asked, watched.value.compacted) == (first, second)
    assert (await store.list(ALL, at=second)).items == (Stored(A, b"2", second),)
    assert await read_history(store, ALL, after=second, until=third) == [
        Change(third, A, b"3", Stored(A, b"2", second))
    ]


async def test_a_key_whose_deletion_is_compacted_can_be_created_and_watched(store, store_backend):
    created = await store.create(A, b"1")
    deleted = await store.delete(A, expected=created)
    other = await store.create(B, b"")
    await store_backend.compact(other)

    again = await store.create(A, b"2")

    assert again > deleted
    assert await read_history(store, ALL, after=other, until=again) == [
        Change(again, A, b"2", None)
    ]


async def test_compaction_ends_no_watch(store, store_backend):
    start = await store.current_revision()

    async with watching(store, ALL, after=start) as changes:
        created = await store.create(A, b"1")
        updated = await store.update(A, b"2", expected=created)
        await store_backend.compact(updated)
        deleted = await store.delete(A, expected=updated)

        assert [change.revision for change in await take(changes, 3)] == [
            created,
            updated,
            deleted,
        ]


# The same data, opened again


async def test_what_was_written_survives_and_revisions_go_on(store_backend):
    async with store_backend.open() as store:
        identity = store.identity
        start = await store.current_revision()
        created = await store.create(A, b"1")
        updated = await store.update(A, b"2", expected=created)

    async with store_backend.open() as store:
        assert store.identity == identity
        assert await store.current_revision() == updated
        assert await store.get(A) == Stored(A, b"2", updated)
        assert (await store.list(ALL, at=created)).items == (Stored(A, b"1", created),)
        deleted = await store.delete(A, expected=updated)
        assert deleted > updated
        assert await read_history(store, ALL, after=start, until=deleted) == [
            Change(created, A, b"1", None),
            Change(updated, A, b"2", Stored(A, b"1", created)),
            Change(deleted, A, None, Stored(A, b"2", updated)),
        ]


async def test_no_revision_is_used_twice_after_everything_was_deleted_and_compacted(store_backend):
    async with store_backend.open() as store:
        created = await store.create(A, b"1")
        deleted = await store.delete(A, expected=created)
        await store_backend.compact(deleted)

    async with store_backend.open() as store:
        assert await store.current_revision() == deleted
        assert await store.create(A, b"2") > deleted


async def test_compaction_is_remembered(store_backend):
    async with store_backend.open() as store:
        created = await store.create(A, b"1")
        updated = await store.update(A, b"2", expected=created)
        await store_backend.compact(updated)

    async with store_backend.open() as store:
        with pytest.raises(CompactedError):
            await store.list(ALL, at=created)


async def test_closing_ends_watches_and_refuses_what_comes_later(store_backend):
    async with store_backend.open() as store:
        start = await store.current_revision()
        opened = watching(store, ALL, after=start)
        changes = await opened.__aenter__()
        created = await store.create(A, b"1")

    seen = await read_to_the_end(changes, StoreUnavailableError)
    await opened.__aexit__(None, None, None)

    assert seen == [Change(created, A, b"1", None)]
    with pytest.raises(StoreUnavailableError):
        await store.get(A)
    with pytest.raises(StoreUnavailableError):
        await store.update(A, b"2", expected=created)
    with pytest.raises(StoreUnavailableError):
        async with watching(store, ALL, after=start):
            pytest.fail("the watch began")


async def test_closing_finishes_the_writes_under_way(store_backend):
    async with asyncio.TaskGroup() as tasks:
        async with store_backend.open() as store:
            writing = [
                tasks.create_task(store.create(f"{ALL}{number}", b"")) for number in range(50)
            ]
            await asyncio.sleep(0)
        revisions = [await task for task in writing]

    async with store_backend.open() as store:
        assert sorted(item.revision for item in (await store.list(ALL)).items) == sorted(revisions)
