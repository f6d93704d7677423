"""libpcap is asked once, however many interfaces have the same filter."""

from apiserver.pcap.program import REJECT
from apiserver.resource.types import Direction
from nodeagent.capture.compiled import CompiledFilters
from nodeagent.libpcap.program import Program
from tests.support.filters import pcap_filter


class Handle:
    """Counts how often it compiles."""

    def __init__(self, outgoing_is=Direction.IN):
        self.outgoing_is = outgoing_is
        self.compiled = 0

    def compile(self, _filter):
        self.compiled += 1
        return Program(REJECT)


def test_a_filter_is_compiled_once_for_all_handles():
    compiled, handle, another = CompiledFilters(), Handle(), Handle()

    programs = [compiled.of(each, pcap_filter("tcp")) for each in (handle, another, handle)]

    assert handle.compiled + another.compiled == 1
    assert len(set(programs)) == 1


def test_the_two_ends_of_a_link_have_programs_of_their_own():
    compiled, node, inside = CompiledFilters(), Handle(), Handle(outgoing_is=Direction.OUT)

    programs = {compiled.of(each, pcap_filter("tcp")) for each in (node, inside)}

    assert (node.compiled, inside.compiled, len(programs)) == (1, 1, 2)


def test_what_was_asked_for_long_ago_is_forgotten():
    compiled, handle = CompiledFilters(), Handle()
    first = pcap_filter("tcp port 1")

    for port in range(1, 65):
        compiled.of(handle, pcap_filter(f"tcp port {port}"))
    compiled.of(handle, first)
    for port in range(65, 129):
        compiled.of(handle, pcap_filter(f"tcp port {port}"))
    compiled.of(handle, first)

    assert handle.compiled == 128 + 1
