import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.pcap.listing import (
    IF_EQUAL,
    JUMP,
    LD_NUMBER,
    RETURN,
    Instruction,
    Label,
    Listing,
    packed,
    unpacked,
)

FARTHEST = 255


def run(code, number=0):
    """Run a program of loads of numbers, tests, jumps and returns, as the kernel would."""
    at = 0
    while True:
        operation, jt, jf, k = code[at]
        if operation == RETURN:
            return k
        if operation == LD_NUMBER:
            number = k
        at += 1
        if operation == IF_EQUAL:
            at += jt if number == k else jf
        elif operation == JUMP:
            at += k


def fill(listing, lines):
    for _ in range(lines):
        listing.add(LD_NUMBER, 0)


@pytest.mark.parametrize("between", [0, 1, FARTHEST - 1, FARTHEST, FARTHEST + 1, 3000])
@pytest.mark.parametrize("value", [7, 8])
def test_a_test_reaches_its_label_however_far_it_is(between, value):
    listing, equal, other = Listing(), Label(), Label()
    listing.add(LD_NUMBER, value)
    listing.test(IF_EQUAL, 7, yes=equal, no=other)
    fill(listing, between)
    listing.place(equal)
    listing.add(RETURN, 1)
    fill(listing, between)
    listing.place(other)
    listing.add(RETURN, 2)

    code = listing.assembled()

    assert run(code) == (1 if value == 7 else 2)
    assert all(each.jt <= FARTHEST and each.jf <= FARTHEST for each in code)


def test_what_only_detours_push_too_far_gets_one_too():
    listing, end = Listing(), Label()
    for number in range(200):
        listing.test(IF_EQUAL, number, yes=end)
    fill(listing, 60)
    listing.add(RETURN, 1)
    listing.place(end)
    listing.add(RETURN, 2)

    code = listing.assembled()

    assert [run(code, number) for number in (0, 100, 199, 200)] == [2, 2, 2, 1]


def test_a_jump_to_the_next_line_is_left_out():
    listing, after = Listing(), Label()
    listing.add(LD_NUMBER, 1)
    listing.go(after)
    listing.place(after)
    listing.add(RETURN, 3)

    assert [each.code for each in listing.assembled()] == [LD_NUMBER, RETURN]


def test_a_jump_that_another_one_passes_stays():
    listing, after, behind = Listing(), Label(), Label()
    listing.test(IF_EQUAL, 5, yes=behind)
    listing.go(after)
    listing.place(behind)
    listing.place(after)
    listing.add(RETURN, 3)

    assert [run(listing.assembled(), number) for number in (5, 6)] == [3, 3]


@pytest.mark.parametrize(("number", "result"), [(1, 10), (2, 20), (3, 30)])
def test_a_program_that_is_embedded_goes_on_where_it_would_return(number, result):
    listing, accept, reject = Listing(), Label(), Label()
    program = (
        Instruction(IF_EQUAL, 0, 1, 1),
        Instruction(RETURN, 0, 0, 262144),
        Instruction(IF_EQUAL, 1, 0, 2),
        Instruction(RETURN, 0, 0, 262144),
        Instruction(JUMP, 0, 0, 0),
        Instruction(RETURN, 0, 0, 0),
    )
    listing.embed(program, accept=accept, reject=reject)
    listing.place(reject)
    listing.add(RETURN, 20)
    listing.place(accept)
    listing.test(IF_EQUAL, 1, yes=(first := Label()))
    listing.add(RETURN, 30)
    listing.place(first)
    listing.add(RETURN, 10)

    assert run(listing.assembled(), number) == result


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 700)), min_size=1, max_size=12))
def test_a_ladder_of_tests_ends_at_its_first_match(steps):
    listing, labels = Listing(), [Label() for _ in steps]
    for (number, between), label in zip(steps, labels, strict=True):
        listing.test(IF_EQUAL, number, yes=label)
        for _ in range(between):
            listing.test(IF_EQUAL, 100, yes=labels[-1])
    listing.add(RETURN, 99)
    for index, label in enumerate(labels):
        listing.place(label)
        listing.add(RETURN, index)

    code = listing.assembled()

    numbers = [number for number, _ in steps]
    for number in range(10):
        assert run(code, number) == (numbers.index(number) if number in numbers else 99)


def test_a_program_is_the_same_after_it_was_sent():
    code = (Instruction(0x28, 0, 0, 12), Instruction(0x15, 255, 1, 0xFFFF_FFFF))

    assert unpacked(packed(code)) == code
