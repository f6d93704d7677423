import pytest

from apiserver.pcap.assembly import assemble
from apiserver.pcap.expressions import compile_texts, dead_handle
from apiserver.pcap.listing import (
    IF_EQUAL,
    JUMP,
    LD_SCRATCH,
    LDX_SCRATCH,
    RETURN,
    STORE,
    STORE_X,
    Instruction,
)
from apiserver.pcap.scratch import unset_words
from apiserver.resource.filters import Alternative, PacketFilter
from apiserver.resource.types import Direction

RETURN_ALL = Instruction(RETURN, 0, 0, 1)


def line(code, k=0, *, jt=0, jf=0):
    return Instruction(code, jt, jf, k)


@pytest.mark.parametrize(
    ("program", "unset"),
    [
        pytest.param([RETURN_ALL], (), id="nothing is read"),
        pytest.param([line(LD_SCRATCH, 3), RETURN_ALL], (3,), id="read and never stored"),
        pytest.param([line(LDX_SCRATCH, 15), RETURN_ALL], (15,), id="read into X"),
        pytest.param([line(STORE, 3), line(LD_SCRATCH, 3), RETURN_ALL], (), id="stored before"),
        pytest.param([line(STORE_X, 3), line(LD_SCRATCH, 3), RETURN_ALL], (), id="X stored"),
        pytest.param(
            [line(LD_SCRATCH, 3), line(STORE, 3), RETURN_ALL], (3,), id="stored too late"
        ),
        pytest.param(
            [line(IF_EQUAL, 1, jf=1), line(STORE, 3), line(LD_SCRATCH, 3), RETURN_ALL],
            (3,),
            id="stored on one way of two",
        ),
        pytest.param(
            [
                line(IF_EQUAL, 1, jf=2),
                line(STORE, 3),
                line(JUMP, 1),
                line(STORE, 3),
                line(LD_SCRATCH, 3),
                RETURN_ALL,
            ],
            (),
            id="stored on both ways",
        ),
        pytest.param(
            [line(IF_EQUAL, 1, jf=1), RETURN_ALL, line(STORE, 3), line(LD_SCRATCH, 3), RETURN_ALL],
            (),
            id="not stored where it ends",
        ),
    ],
)
def test_words_that_are_read_before_they_are_stored_are_found(program, unset):
    assert unset_words(program) == unset


@pytest.mark.parametrize(
    "expression",
    ["geneve or port 80", "not geneve and tcp", "llc and (geneve or udp)"],
)
def test_programs_store_all_that_they_read(expression):
    rule = Alternative(expression=expression)
    with dead_handle() as handle:
        programs = compile_texts(handle, rule.texts)

    code = assemble(
        PacketFilter((rule,), headers_only=True), {rule.text: programs}, outgoing_is=Direction.IN
    )

    assert any(map(unset_words, programs))
    assert unset_words(code) == ()
