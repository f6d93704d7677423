import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.upstream.lines import LineBuffer, LineTooLongError


@given(
    st.lists(st.binary(min_size=1).filter(lambda each: b"\n" not in each and each.strip())),
    st.integers(1, 7),
)
def test_lines_come_out_as_they_went_in_however_they_are_cut(lines, size):
    stream = b"".join(line + b"\n" for line in lines)
    buffer = LineBuffer(max_bytes=2**20)

    cut = [stream[at : at + size] for at in range(0, len(stream), size)]
    found = [line for chunk in cut for line in buffer.feed(chunk)]

    assert found == lines
    assert buffer.is_empty


def test_blank_lines_are_left_out():
    assert list(LineBuffer(max_bytes=10).feed(b"a\n\n \r\nb\n")) == [b"a", b"b"]


def test_an_unfinished_line_is_held():
    buffer = LineBuffer(max_bytes=10)

    assert list(buffer.feed(b"a\nb")) == [b"a"]
    assert not buffer.is_empty


def test_a_line_may_be_as_long_as_the_limit_and_no_longer():
    buffer = LineBuffer(max_bytes=4)

    assert list(buffer.feed(b"1234\n")) == [b"1234"]
    list(buffer.feed(b"123"))
    with pytest.raises(LineTooLongError):
        list(buffer.feed(b"45"))
