import pytest

from apiserver.serving.probes import Check, Gate, Probe


def check(name, problem=""):
    async def answer():
        return problem

    return Check(name, answer)


async def test_when_all_is_well_the_answer_is_ok():
    result = await Probe("readyz", (check("ping"), check("storage"))).run(verbose=False)

    assert (result.ok, result.text) == (True, "ok")


async def test_in_detail_every_check_is_named():
    result = await Probe("readyz", (check("ping"), check("storage"))).run(verbose=True)

    assert result.text == "[+]ping ok\n[+]storage ok\nreadyz check passed\n"


@pytest.mark.parametrize("verbose", [True, False])
async def test_a_failure_is_named_and_its_reason_withheld(verbose):
    probe = Probe("readyz", (check("ping"), check("storage", "the disk is full")))

    result = await probe.run(verbose=verbose)

    assert not result.ok
    assert result.text == ("[+]ping ok\n[-]storage failed: reason withheld\nreadyz check failed\n")


async def test_only_a_change_is_logged_and_to_fail_is_a_warning_after_having_passed(caplog):
    problems = ["away", "away", "", "", "away", ""]

    async def answer():
        return problems.pop(0)

    probe = Probe("readyz", (Check("storage", answer),))
    with caplog.at_level("INFO"):
        for _ in range(6):
            await probe.run(verbose=False)

    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("INFO", "probe fails"),
        ("INFO", "probe passes"),
        ("WARNING", "probe fails"),
        ("INFO", "probe passes"),
    ]


async def test_who_may_know_is_told_why():
    probe = Probe("readyz", (check("ping"), check("storage", "the disk is full")))

    result = await probe.run(verbose=False, reasons=True)

    assert "[-]storage failed: the disk is full\n" in result.text


async def test_a_gate_opens_when_all_is_well_and_stays_open():
    problems = ["away", "", "away"]

    async def answer():
        return problems.pop(0)

    gate = Gate(Probe("readyz", (Check("storage", answer),)))

    assert [await gate.is_open() for _ in range(3)] == [False, True, True]
