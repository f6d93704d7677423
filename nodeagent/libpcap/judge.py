"""Decides here, as the kernel would, what passes a live handle's program.

Such a program also loads what the kernel knows of a packet beside its bytes, which libpcap's
interpreter does not: which way it went, and its VLAN tag. So for each of these there is a program of
its own, with that filled in. The kernel's program sees a packet without the tag that libpcap puts back.
"""

from collections import OrderedDict
from typing import Final, final

from apiserver.pcap.listing import ANCILLARY, LD_NUMBER, Code, Instruction
from nodeagent.libpcap.frame import OUTGOING, Beside, Packet, kept_with_tag
from nodeagent.libpcap.program import Program

# linux/filter.h: what such a program may load, as libpcap 1.10 and `apiserver.pcap` write it.
_LOADS: Final = (0x20, 0x28, 0x30)
_KIND: Final = ANCILLARY + 4
_TAG: Final = ANCILLARY + 44
_HAS_TAG: Final = ANCILLARY + 48

# A trunk of more VLANs takes more time.
_MOST_PROGRAMS: Final = 64

# Of a packet in no ring: it passes if it may.
_UNKNOWN: Final = (Beside(0), Beside(OUTGOING))


@final
class Judge:
    """Judges packets by one program. Belongs to one thread."""

    def __init__(self, program: Program) -> None:
        self._code = program.code
        self._programs = OrderedDict[Beside, Program]()

    def kept(self, packet: Packet) -> int:
        """Return how many bytes of a packet in the ring are kept; 0: it does not pass.

        Packets are judged as they are there: one that another filter has cut may lack the bytes that
        this one asks for, and does not pass.
        """
        beside = packet.beside()
        if beside is None:
            return max(self._program(each).kept(packet) for each in _UNKNOWN)
        if beside.is_back:
            return kept_with_tag(self._program(beside).kept(packet.without_tag()))
        return self._program(beside).kept(packet)

    def _program(self, beside: Beside) -> Program:
        known = self._programs.get(beside)
        if known is None:
            known = self._programs[beside] = Program(filled(self._code, beside))
            if len(self._programs) > _MOST_PROGRAMS:
                self._programs.popitem(last=False)
        return known


def filled(code: Code, beside: Beside) -> Code:
    """Return a program with what the kernel knows of a packet in the place of the loads of it."""
    values = {
        _KIND: beside.kind,
        _TAG: beside.tag or 0,
        _HAS_TAG: int(beside.tag is not None),
    }
    return tuple(
        Instruction(LD_NUMBER, 0, 0, values[each.k])
        if each.code in _LOADS and each.k >= ANCILLARY
        else each
        for each in code
    )
