from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.files.pressure import (
    GIBIBYTE,
    MEBIBYTE,
    NO_PRESSURE,
    Bounds,
    Disk,
    DiskBudget,
    Pressure,
    StoredFile,
    decide,
)

MIB = MEBIBYTE
# Reserve 16 MiB, least 8 MiB.
BOUNDS = Bounds(max_bytes=100 * MIB, floor=50 * MIB, namespace_bytes=60 * MIB)
PLENTY = Disk(1000 * MIB, 900 * MIB)


def a_file(number, size=10 * MIB, *, namespace="shop", rotated=True):
    return StoredFile(
        Path("/pcap", namespace, "http"), f"f{number}", namespace, size, number, rotated
    )


def some(count, size=10 * MIB, **of):
    return [a_file(number, size, **of) for number in range(count)]


def names(files):
    return [each.name for each in files]


@pytest.mark.parametrize(
    ("budget", "total", "bounds"),
    [
        pytest.param(
            DiskBudget(),
            40 * GIBIBYTE,
            Bounds(4 * GIBIBYTE, 6 * GIBIBYTE, 2 * GIBIBYTE),
            id="small",
        ),
        pytest.param(
            DiskBudget(),
            1000 * GIBIBYTE,
            Bounds(10 * GIBIBYTE, 150 * GIBIBYTE, 5 * GIBIBYTE),
            id="large",
        ),
        pytest.param(
            DiskBudget(),
            2 * GIBIBYTE,
            Bounds(2 * GIBIBYTE // 10, GIBIBYTE, GIBIBYTE // 10),
            id="tiny",
        ),
        pytest.param(
            DiskBudget(0, 0, 10, 100),
            100 * MIB,
            Bounds(90 * MIB, 10 * MIB, 90 * MIB),
            id="as much as there is",
        ),
        pytest.param(
            DiskBudget(95 * MIB, 0, 10, 100),
            100 * MIB,
            Bounds(90 * MIB, 10 * MIB, 90 * MIB),
            id="more than there is",
        ),
        pytest.param(
            DiskBudget(min_free_bytes=GIBIBYTE), 500 * MIB, Bounds(0, GIBIBYTE, 0), id="nothing"
        ),
    ],
)
def test_a_budget_is_one_of_a_file_system(budget, total, bounds):
    assert budget.bounds(total) == bounds


def test_where_more_is_under_way_more_is_kept_for_it():
    few, many = (DiskBudget(under_way=count * MIB).bounds(1000 * GIBIBYTE) for count in (4, 128))

    assert (few.reserve, few.least) == (256 * MIB, 64 * MIB)
    assert (many.reserve, many.least) == (512 * MIB, 256 * MIB)


def test_where_there_is_plenty_of_room_nothing_happens():
    decision = decide(some(3), PLENTY, BOUNDS, is_wanted=True)

    assert (decision.remove, decision.pressure, decision.room) == ((), NO_PRESSURE, 70 * MIB)


def test_the_oldest_rotated_files_make_a_reserve():
    files = [*some(9, size=5 * MIB), *some(9, size=5 * MIB, namespace="bank")]
    files[0] = replace(files[0], is_rotated=False)

    decision = decide(files[::-1], PLENTY, BOUNDS, is_wanted=True)

    assert decision.room == 10 * MIB
    assert [(each.namespace, each.name) for each in decision.remove] == [
        ("bank", "f0"),
        ("bank", "f1"),
    ]


def test_a_namespace_that_loses_a_file_to_the_floor_may_go_on_at_once():
    stopped = Pressure(namespaces=(("shop", "full"),))
    full = Disk(1000 * MIB, free=45 * MIB)

    decision = decide(some(6), full, BOUNDS, before=stopped, is_wanted=False)

    assert (names(decision.remove), decision.pressure) == (["f0"], NO_PRESSURE)


def test_while_nothing_runs_no_reserve_is_made():
    files = [*some(5), *some(5, namespace="bank")]

    assert decide(files, PLENTY, BOUNDS, is_wanted=False).remove == ()


def test_what_is_over_the_budget_goes_also_while_nothing_runs():
    files = [*some(6), *some(6, namespace="bank")]

    assert len(decide(files, PLENTY, BOUNDS, is_wanted=False).remove) == 2


def test_what_has_to_stay_free_does():
    disk = Disk(1000 * MIB, 45 * MIB)

    decision = decide(some(5), disk, BOUNDS, is_wanted=True)

    assert decision.room == -5 * MIB
    assert names(decision.remove) == ["f0", "f1", "f2"]
    assert decision.pressure == NO_PRESSURE


def test_a_namespace_over_its_share_pays_first_also_with_newer_files():
    files = [*some(2, namespace="bank"), *[a_file(number) for number in range(10, 17)]]

    decision = decide(files, PLENTY, BOUNDS, is_wanted=True)

    assert [(each.namespace, each.name) for each in decision.remove] == [("shop", "f10")]
    assert decision.pressure == NO_PRESSURE


def test_a_namespace_over_its_share_with_nothing_that_could_go_stops_alone():
    files = [*some(7, rotated=False), *some(1, namespace="bank")]

    decision = decide(files, PLENTY, BOUNDS, is_wanted=True)

    assert decision.remove == ()
    assert decision.pressure.reason_in("shop") == (
        "captures of namespace shop have 60Mi, its share of the node"
    )
    assert decision.pressure.reason_in("bank") == ""


@pytest.mark.parametrize(("usage", "stops"), [(61, True), (60, True), (57, True), (56, False)])
def test_a_namespace_that_stopped_goes_on_with_some_room(usage, stops):
    before = Pressure("", (("shop", "full"),))
    files = [a_file(0, usage * MIB, rotated=False)]

    decision = decide(files, PLENTY, BOUNDS, before=before, is_wanted=True)

    assert bool(decision.pressure) is stops


@pytest.mark.parametrize(
    ("disk", "used", "reason"),
    [
        pytest.param(
            Disk(1000 * MIB, 57 * MIB),
            10,
            "captures leave 50Mi of the file system's 1000Mi free, and no more is",
            id="the file system",
        ),
        pytest.param(PLENTY, 93, "captures have 100Mi, the most on this node", id="the budget"),
    ],
)
def test_where_nothing_can_go_all_stop(disk, used, reason):
    bounds = replace(BOUNDS, namespace_bytes=BOUNDS.max_bytes)
    files = [a_file(0, used * MIB, rotated=False)]

    decision = decide(files, disk, bounds, is_wanted=True)

    assert (decision.remove, decision.pressure) == ((), Pressure(reason))
    assert decision.pressure.reason_in("any") == reason


@pytest.mark.parametrize(("free", "goes_on"), [(57, False), (58, False), (65, False), (66, True)])
def test_all_go_on_once_there_is_a_reserve_again(free, goes_on):
    before = Pressure("full")
    disk = Disk(1000 * MIB, free * MIB)

    decision = decide([], disk, BOUNDS, before=before, is_wanted=True)

    assert decision.pressure == (NO_PRESSURE if goes_on else before)


def test_what_would_not_help_stays():
    # With both there would be 6 MiB to be written, and captures need 8.
    disk = Disk(1000 * MIB, 51 * MIB)
    files = [a_file(0, 2 * MIB), a_file(1, 3 * MIB), a_file(2, 20 * MIB, rotated=False)]

    decision = decide(files, disk, BOUNDS, is_wanted=True)

    assert decision.remove == ()
    assert decision.pressure.everywhere


SIZES = st.integers(min_value=0, max_value=40).map(lambda number: number * MIB // 2)
FILES = st.lists(
    st.tuples(SIZES, st.sampled_from(["shop", "bank", "home"]), st.booleans()), max_size=12
).map(
    lambda drawn: [
        a_file(number, size, namespace=namespace, rotated=rotated)
        for number, (size, namespace, rotated) in enumerate(drawn)
    ]
)
DISKS = st.integers(min_value=0, max_value=200).map(lambda free: Disk(1000 * MIB, free * MIB))
PRESSURES = st.sampled_from([NO_PRESSURE, Pressure("full"), Pressure("", (("shop", "full"),))])


def usage_of(files, namespace=None):
    return sum(each.size for each in files if namespace in {None, each.namespace})


@given(FILES, DISKS, PRESSURES, st.booleans())
def test_only_rotated_files_go_the_oldest_of_a_namespace_first(files, disk, before, is_wanted):
    removed = decide(files, disk, BOUNDS, before=before, is_wanted=is_wanted).remove

    assert len(set(names(removed))) == len(removed)
    assert all(each.is_rotated for each in removed)
    for namespace, gone in groupby(
        sorted(removed, key=lambda file: file.namespace), key=lambda file: file.namespace
    ):
        rotated = [file for file in files if file.namespace == namespace and file.is_rotated]
        oldest = [file for file in sorted(rotated, key=lambda file: file.changed_ns) if file.size]
        assert {*names(gone)} == {
            *names(oldest[: len([f for f in removed if f.namespace == namespace])])
        }


@given(FILES, DISKS, PRESSURES, st.booleans())
def test_without_the_last_one_that_goes_it_would_not_be_enough(files, disk, before, is_wanted):
    decision = decide(files, disk, BOUNDS, before=before, is_wanted=is_wanted)

    *gone, spared = decision.remove or [None]
    if spared is not None:
        left = [file for file in files if file not in gone]
        is_over_share = usage_of(left, spared.namespace) > BOUNDS.namespace_bytes
        room = decision.room + usage_of(gone)
        assert is_over_share or room < (BOUNDS.reserve if is_wanted else 0)


@given(FILES, DISKS, PRESSURES)
def test_captures_run_if_and_only_if_they_can_be_given_something_to_write(files, disk, before):
    decision = decide(files, disk, BOUNDS, before=before, is_wanted=True)

    most = decision.room + usage_of([each for each in files if each.is_rotated])
    then = decision.room + usage_of(decision.remove)
    assert bool(decision.pressure.everywhere) == (
        most < (BOUNDS.reserve if before.everywhere else BOUNDS.least)
    )
    if not decision.pressure.everywhere:
        assert then >= min(most, BOUNDS.least)
    else:
        assert then >= min(most, 0)


@given(FILES, DISKS, PRESSURES, st.booleans())
def test_a_decision_that_was_carried_out_is_not_made_again(files, disk, before, is_wanted):
    decision = decide(files, disk, BOUNDS, before=before, is_wanted=is_wanted)
    left = [file for file in files if file not in decision.remove]
    freed = Disk(disk.total, disk.free + usage_of(decision.remove))

    again = decide(left, freed, BOUNDS, before=decision.pressure, is_wanted=is_wanted)

    assert again.remove == ()
    assert again.pressure == decision.pressure
    assert again.room == decision.room + usage_of(decision.remove)


@given(FILES, DISKS)
def test_no_namespace_runs_that_has_more_than_its_share(files, disk):
    decision = decide(files, disk, BOUNDS, is_wanted=True)

    left = [file for file in files if file not in decision.remove]
    for namespace in {file.namespace for file in files}:
        is_over = usage_of(left, namespace) > BOUNDS.namespace_bytes
        assert (namespace in dict(decision.pressure.namespaces)) is is_over
