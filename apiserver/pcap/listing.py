"""Programs of the kernel's packet filter (classic BPF) being written: labels in, instructions out. Pure.

A conditional jump reaches 255 instructions ahead, an unconditional one everything. So a test whose
target turns out to be farther gets an unconditional jump behind it, and that is aimed at.
"""

from collections.abc import Sequence
from struct import Struct
from typing import Final, NamedTuple, TypeAlias

# linux/filter.h and bpf_common.h: classes, sizes, modes, operations, sources.
LD_LEN: Final = 0x80
LD_WORD_AT_X: Final = 0x40
LD_HALF_AT_X: Final = 0x48
LD_BYTE_AT_X: Final = 0x50
LD_BYTE: Final = 0x30
LD_NUMBER: Final = 0x00
LD_SCRATCH: Final = 0x60
LDX_NUMBER: Final = 0x01
LDX_SCRATCH: Final = 0x61
STORE: Final = 0x02
STORE_X: Final = 0x03
ADD: Final = 0x04
ADD_X: Final = 0x0C
SUBTRACT: Final = 0x14
OR: Final = 0x44
AND: Final = 0x54
SHIFT_LEFT: Final = 0x64
SHIFT_RIGHT: Final = 0x74
JUMP: Final = 0x05
IF_EQUAL: Final = 0x15
IF_GREATER: Final = 0x25
IF_AT_LEAST: Final = 0x35
IF_AT_LEAST_X: Final = 0x3D
IF_ANY_BIT: Final = 0x45
RETURN: Final = 0x06
RETURN_A: Final = 0x16
X_TO_A: Final = 0x87
A_TO_X: Final = 0x07

LDX_HEADER_LENGTH: Final = 0xB1

# Offsets from here on are not in the packet: what the kernel knows of it (SKF_AD_OFF).
ANCILLARY: Final = 0xFFFF_F000

_CLASS: Final = 0x07
_LD_ABSOLUTE: Final = 0x20
_SIZE: Final = 0x18
_LOADED_BYTES: Final = {0x00: 4, 0x08: 2, 0x10: 1}
_JUMP_CLASS: Final = 0x05
_FARTHEST: Final = 255


class Instruction(NamedTuple):
    """One instruction; `jt` and `jf` count from the next one."""

    code: int
    jt: int
    jf: int
    k: int


Code: TypeAlias = tuple[Instruction, ...]

_FORMAT: Final = Struct(">HBBI")


def packed(code: Code) -> str:
    """Return a program as text, to send it elsewhere."""
    return b"".join(_FORMAT.pack(*each) for each in code).hex()


def unpacked(text: str) -> Code:
    """Return what was `packed`."""
    return tuple(Instruction(*each) for each in _FORMAT.iter_unpack(bytes.fromhex(text)))


class Label:
    """A place in a listing, the same only as itself."""

    __slots__ = ("position",)

    def __init__(self) -> None:
        self.position = -1


class _Line(NamedTuple):
    """One line: an instruction, for jumps with the labels that they go to; None is the next line."""

    code: int
    k: int = 0
    yes: Label | None = None
    no: Label | None = None


class Listing:
    """A program that grows line by line; jumps go to labels, forward only, as the kernel wants."""

    def __init__(self) -> None:
        self._lines: list[_Line] = []
        self._last_place = -1

    def add(self, code: int, k: int = 0) -> None:
        """Add an instruction that does not jump."""
        self._lines.append(_Line(code, k))

    def test(
        self, code: int, k: int = 0, *, yes: Label | None = None, no: Label | None = None
    ) -> None:
        """Add a conditional jump; without a label it goes on with the next line."""
        self._lines.append(_Line(code, k, yes, no))

    def go(self, label: Label) -> None:
        """Add an unconditional jump."""
        self._lines.append(_Line(JUMP, 0, label))

    def place(self, label: Label) -> None:
        """Let a label be the next line."""
        assert label.position < 0, "a label is placed once"
        is_aimed_at = self._last_place == len(self._lines)
        if self._lines and self._lines[-1] == _Line(JUMP, 0, label) and not is_aimed_at:
            self._lines.pop()  # it would jump to the next line
        label.position = self._last_place = len(self._lines)

    def embed(
        self, program: Code, *, accept: Label, reject: Label, is_guarded: bool = False
    ) -> None:
        """Add a whole program of libpcap's that goes to a label where it would return.

        A load behind the packet's end ends all with "no": guarded, it goes to `reject` instead. Only
        forward jumps and fixed returns are understood: libpcap makes others for `protochain`, which
        is no use in the kernel.
        """
        labels = [Label() for _ in program]
        for at, (code, jt, jf, k) in enumerate(program):
            self.place(labels[at])
            if is_guarded:
                self._guard(code, k, reject)
            if code == RETURN:
                self.go(accept if k else reject)
            elif code == JUMP:
                self.go(labels[at + 1 + k])
            elif code & _CLASS == _JUMP_CLASS:
                self.test(code, k, yes=labels[at + 1 + jt], no=labels[at + 1 + jf])
            else:
                self.add(code, k)

    def _guard(self, code: int, k: int, reject: Label) -> None:
        """Go to a label instead of loading what is not there; A, or X, is loaded over anyway."""
        end = k + _LOADED_BYTES.get(code & _SIZE, 0)
        if code == LDX_HEADER_LENGTH:
            self.add(A_TO_X)
            self.add(LD_LEN)
            self.test(IF_AT_LEAST, k + 1, no=reject)
            self.add(X_TO_A)
        elif code & ~_SIZE == _LD_ABSOLUTE and k < ANCILLARY:
            self.add(LD_LEN)
            self.test(IF_AT_LEAST, end, no=reject)
        elif code & ~_SIZE == LD_WORD_AT_X:
            self.add(LD_LEN)
            self.test(IF_AT_LEAST, end, no=reject)
            self.add(SUBTRACT, end)
            self.test(IF_AT_LEAST_X, no=reject)

    def assembled(self) -> Code:
        """Return the instructions."""
        return _Layout(self._lines).instructions()


class _Layout:
    """Where each line of a listing comes to lie, once all jumps reach their targets."""

    def __init__(self, lines: Sequence[_Line]) -> None:
        self._lines = lines
        # Of each line how many unconditional jumps follow it. They only ever become more.
        self._detours = [0] * len(lines)
        self._starts: list[int] = []
        self._lay_out()
        while self._add_detours():
            self._lay_out()

    def instructions(self) -> Code:
        found: list[Instruction] = []
        for at, line in enumerate(self._lines):
            found += self._encoded(at, line)
        return tuple(found)

    def _lay_out(self) -> None:
        self._starts, start = [], 0
        for detours in self._detours:
            self._starts.append(start)
            start += 1 + detours

    def _add_detours(self) -> bool:
        changed = False
        for at, line in enumerate(self._lines):
            if line.code & _CLASS == _JUMP_CLASS and line.code != JUMP:
                needed = self._is_far(at, line.yes) + self._is_far(at, line.no)
                if needed > self._detours[at]:
                    self._detours[at] = needed
                    changed = True
        return changed

    def _encoded(self, at: int, line: _Line) -> list[Instruction]:
        if line.code == JUMP:
            return [Instruction(JUMP, 0, 0, self._distance(at, line.yes))]
        if line.code & _CLASS != _JUMP_CLASS:
            return [Instruction(line.code, 0, 0, line.k)]
        detours: list[Instruction] = []
        reaches: list[int] = []
        for target in (line.yes, line.no):
            distance = self._distance(at, target)
            if self._is_far(at, target):
                reaches.append(len(detours))
                detours.append(Instruction(JUMP, 0, 0, distance - len(detours) - 1))
            else:
                reaches.append(distance)
        return [Instruction(line.code, reaches[0], reaches[1], line.k), *detours]

    def _is_far(self, at: int, target: Label | None) -> bool:
        return target is not None and self._distance(at, target) > _FARTHEST

    def _distance(self, at: int, target: Label | None) -> int:
        """Return how far a line's target is from the instruction behind its first one."""
        position = at + 1 if target is None else target.position
        assert position > at, "jumps go forward"
        return self._starts[position] - self._starts[at] - 1
