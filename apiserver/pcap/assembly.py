"""The program of a whole filter: its alternatives one after the other, then what is kept. Pure.

The first alternative that a packet meets decides. First come those that ask for a direction only;
then, with the headers decoded once, the others without an expression; then libpcap's programs, which
use the scratch memory for themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from apiserver.pcap.cuts import add_cut
from apiserver.pcap.headers import decode
from apiserver.pcap.listing import (
    ANCILLARY,
    IF_EQUAL,
    LD_BYTE,
    LD_NUMBER,
    RETURN,
    STORE,
    Code,
    Label,
    Listing,
)
from apiserver.pcap.rules import add_rule
from apiserver.pcap.scratch import unset_words
from apiserver.resource.filters import Alternative, PacketFilter
from apiserver.resource.types import Direction

# linux/filter.h and if_packet.h: of a live packet, which way it goes through the interface.
_PACKET_TYPE: Final = ANCILLARY + 4
_OUTGOING: Final = 4


def assemble(
    packet_filter: PacketFilter,
    expressions: Mapping[str, Sequence[Code]],
    *,
    outgoing_is: Direction,
    is_live: bool = True,
) -> Code:
    """Return the program of a filter.

    `expressions` has libpcap's programs for the text of each alternative with an expression: one of
    them must accept. `outgoing_is` says which way packets go for the pod that leave the interface.
    Packets that are not live say nothing of that (`for_direction`), nor of tags beside them.
    """
    writer = _Writer(packet_filter, outgoing_is=outgoing_is)
    writer.write(expressions, is_live=is_live)
    return writer.listing.assembled()


def for_direction(packet_filter: PacketFilter, direction: Direction) -> PacketFilter | None:
    """Return what a filter is for packets that go one way; None if it lets none of them pass."""
    kept = [
        replace(each, direction=None)
        for each in packet_filter.alternatives
        if each.direction in {None, direction}
    ]
    if packet_filter.alternatives and not kept:
        return None
    if any(each.is_everything for each in kept):
        kept = []
    return replace(packet_filter, alternatives=tuple(dict.fromkeys(kept)))


class _Writer:
    """A program being written."""

    def __init__(self, packet_filter: PacketFilter, *, outgoing_is: Direction) -> None:
        self.listing = Listing()
        self._filter = packet_filter
        self._outgoing_is = outgoing_is
        self._met = Label()

    def write(self, expressions: Mapping[str, Sequence[Code]], *, is_live: bool) -> None:
        alternatives = self._filter.alternatives
        plain = [each for each in alternatives if not each.expression]
        for each in plain:
            if each.asks_direction_only:
                other = Label()
                self._test_direction(each.direction, unmet=other)
                self.listing.go(self._met)
                self.listing.place(other)
        self._write_rules([each for each in plain if not each.asks_direction_only])
        self._write_expressions([each for each in alternatives if each.expression], expressions)
        if alternatives:
            self.listing.add(RETURN, 0)
        self.listing.place(self._met)
        add_cut(
            self.listing,
            snap_length=self._filter.snap_length,
            headers_only=self._filter.headers_only,
            is_live=is_live,
        )

    def _write_expressions(
        self, alternatives: Sequence[Alternative], expressions: Mapping[str, Sequence[Code]]
    ) -> None:
        for each in alternatives:
            other = Label()
            self._test_direction(each.direction, unmet=other)
            programs = expressions[each.text]
            for number, program in enumerate(programs, start=1):
                rejected = Label()
                is_last = each is alternatives[-1] and number == len(programs)
                self._clear(unset_words(program))
                self.listing.embed(
                    program, accept=self._met, reject=rejected, is_guarded=not is_last
                )
                self.listing.place(rejected)
            self.listing.place(other)

    def _clear(self, words: Sequence[int]) -> None:
        if words:
            self.listing.add(LD_NUMBER, 0)
            for word in words:
                self.listing.add(STORE, word)

    def _write_rules(self, rules: Sequence[Alternative]) -> None:
        done = Label()
        if rules:
            decode(self.listing, other=done)
        for direction in (None, *Direction):
            alike = [each for each in rules if each.direction is direction]
            another_way = Label()
            if alike:
                self._test_direction(direction, unmet=another_way)
            for each in alike:
                other = Label()
                add_rule(self.listing, each, met=self._met, unmet=other)
                self.listing.place(other)
            self.listing.place(another_way)
        self.listing.place(done)

    def _test_direction(self, direction: Direction | None, *, unmet: Label) -> None:
        if direction is None:
            return
        self.listing.add(LD_BYTE, _PACKET_TYPE)
        if direction is self._outgoing_is:
            self.listing.test(IF_EQUAL, _OUTGOING, no=unmet)
        else:
            self.listing.test(IF_EQUAL, _OUTGOING, yes=unmet)
