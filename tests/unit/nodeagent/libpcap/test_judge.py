"""What the kernel knows of a packet, filled into a program; tests/node has it judge packets."""

import pytest

from apiserver.pcap.listing import ANCILLARY, LD_BYTE, LD_NUMBER, LD_SCRATCH, RETURN, Instruction
from nodeagent.libpcap.frame import OUTGOING, Beside, kept_with_tag
from nodeagent.libpcap.judge import filled

LD_HALF = 0x28
END = Instruction(RETURN, 0, 0, 1)


@pytest.mark.parametrize(
    ("code", "offset", "beside", "value"),
    [
        pytest.param(LD_BYTE, 4, Beside(OUTGOING), OUTGOING, id="it left the interface"),
        pytest.param(LD_BYTE, 4, Beside(0), 0, id="it entered"),
        pytest.param(LD_BYTE, 48, Beside(0, tag=5), 1, id="there is a tag"),
        pytest.param(LD_BYTE, 48, Beside(0, tag=0), 1, id="there is a tag of VLAN 0"),
        pytest.param(LD_BYTE, 48, Beside(0), 0, id="there is none"),
        pytest.param(LD_HALF, 44, Beside(0, tag=5), 5, id="the tag"),
    ],
)
def test_what_the_kernel_knows_is_a_number_by_then(code, offset, beside, value):
    load = Instruction(code, 0, 0, ANCILLARY + offset)

    assert filled((load, END), beside) == (Instruction(LD_NUMBER, 0, 0, value), END)


def test_what_is_in_the_packet_is_loaded_from_there():
    code = (Instruction(LD_BYTE, 0, 0, 23), Instruction(LD_SCRATCH, 0, 0, 1), END)

    assert filled(code, Beside(OUTGOING, tag=5)) == code


def test_a_tag_comes_back_where_both_addresses_are_kept():
    assert [kept_with_tag(kept) for kept in (0, 11, 12, 60)] == [0, 11, 16, 64]
