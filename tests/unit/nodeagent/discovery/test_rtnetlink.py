"""Messages as the kernel writes them, put together by hand."""

import struct

import pytest

from nodeagent.discovery.link import NO_NAMESPACE, Link
from nodeagent.discovery.rtnetlink import (
    DELETED_LINK,
    DONE,
    ERROR,
    NEW_LINK,
    link_request,
    namespace_request,
    read_code,
    read_link,
    read_messages,
    read_namespace,
)

AF_UNSPEC, AF_BRIDGE = 0, 7
UP, LOOPBACK = 0x1, 0x8
NAME, INFO, PEER_NAMESPACE, INFO_KIND = 3, 18, 37, 1
NESTED = 0x8000


def attribute(kind, content):
    return struct.pack("=HH", 4 + len(content), kind) + content + bytes(-len(content) % 4)


def message(kind, body, flags=0):
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 7, 0) + body


def link(index, *attributes, family=AF_UNSPEC, flags=UP):
    return struct.pack("=BBHiII", family, 0, 1, index, flags, 0) + b"".join(attributes)


def read_links(datagram):
    return [read_link(each) for each in read_messages(datagram)]


def test_a_link_is_read_with_what_is_needed_of_it():
    kind = attribute(INFO | NESTED, attribute(INFO_KIND, b"veth\0"))
    peer = attribute(PEER_NAMESPACE, struct.pack("=i", 12))
    other = attribute(99, b"odd")
    first = link(5, other, attribute(NAME, b"cali1\0"), kind, peer)
    second = link(1, attribute(NAME, b"lo\0"), flags=LOOPBACK)

    found = read_links(message(NEW_LINK, first) + message(DELETED_LINK, second))

    assert found == [
        Link("cali1", 5, up=True, kind="veth", peer_namespace=12),
        Link("lo", 1, up=False, is_loopback=True),
    ]


def test_a_name_that_is_no_text_is_kept():
    (found,) = read_links(message(NEW_LINK, link(5, attribute(NAME, b"\xff\xfe\0"))))

    assert found.name.encode("utf-8", "surrogateescape") == b"\xff\xfe"


def test_what_a_bridge_says_of_its_ports_is_none():
    body = link(5, attribute(NAME, b"cali1\0"), family=AF_BRIDGE)

    assert read_links(message(DELETED_LINK, body)) == [None]


@pytest.mark.parametrize(
    ("number", "read"), [(0, 0), (41, 41), (-1, NO_NAMESPACE), (None, NO_NAMESPACE)]
)
def test_the_number_of_a_namespace_is_read(number, read):
    content = b"" if number is None else attribute(1, struct.pack("=i", number))
    (answer,) = read_messages(message(88, bytes(4) + content))

    assert read_namespace(answer) == read


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        pytest.param(ERROR, struct.pack("=i", -19) + bytes(16), 19, id="refused"),
        pytest.param(ERROR, bytes(20), 0, id="acknowledged"),
        pytest.param(DONE, bytes(4), 0, id="done"),
        pytest.param(DONE, struct.pack("=i", -105), 105, id="ended early"),
        pytest.param(DONE, b"", 0, id="done without a word"),
    ],
)
def test_the_code_that_ends_something_is_read(kind, body, code):
    (end,) = read_messages(message(kind, body))

    assert read_code(end) == code


def test_requests_say_how_long_they_are():
    for request in (link_request(5), namespace_request(77)):
        assert struct.unpack_from("=I", request) == (len(request),)
