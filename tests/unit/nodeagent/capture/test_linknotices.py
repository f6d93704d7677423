"""Which notices of the kernel tell of a link that is gone."""

import struct

import pytest

from nodeagent.capture.linknotices import tells_of_gone_link

NEWLINK, DELLINK = 16, 17


def message(kind: int, content: bytes = b"") -> bytes:
    padding = bytes(-len(content) % 4)
    return struct.pack("=IHHII", 16 + len(content), kind, 0, 0, 0) + content + padding


@pytest.mark.parametrize(
    ("notice", "is_gone"),
    [
        pytest.param(message(NEWLINK), False, id="a new one"),
        pytest.param(message(DELLINK), True, id="one that is gone"),
        pytest.param(message(NEWLINK, b"abcde") + message(DELLINK), True, id="both"),
        pytest.param(message(NEWLINK) * 3, False, id="several new ones"),
        pytest.param(b"", False, id="nothing"),
        pytest.param(bytes(64), False, id="no lengths"),
        pytest.param(message(NEWLINK)[:5], False, id="cut"),
    ],
)
def test_a_notice_tells_of_a_link_that_is_gone(notice: bytes, is_gone: bool):
    assert tells_of_gone_link(notice) == is_gone
