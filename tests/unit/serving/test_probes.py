import pytest

from apiserver.serving.probes import Check, Gate, Probe, ProbeResult


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


async def test_an_excluded_check_is_not_asked_and_counts_as_good():
    probe = Probe("readyz", (check("ping"), check("storage", "the disk is full")))

    result = await probe.run(verbose=True, excluded={"storage"})

    assert result.ok
    assert result.text == "[+]ping ok\n[+]storage excluded: ok\nreadyz check passed\n"


async def test_whoever_excludes_what_is_not_there_is_warned():
    probe = Probe("readyz", (check("ping"),))

    result = await probe.run(verbose=True, excluded={"x", "etcd"})
    plain = await probe.run(verbose=False, excluded={"x"})

    assert result.text == (
        "[+]ping ok\n"
        'warn: some health checks cannot be excluded: no matches for "etcd", "x"\n'
        "readyz check passed\n"
    )
    assert (plain.ok, plain.text) == (True, "ok")


async def test_what_is_excluded_for_one_is_no_change_for_the_log(caplog):
    probe = Probe("readyz", (check("ping"), check("storage", "the disk is full")))

    with caplog.at_level("INFO"):
        await probe.run(verbose=False)
        await probe.run(verbose=False, excluded={"storage"})
        await probe.run(verbose=False)

    assert [each.message for each in caplog.records] == ["probe fails"]


@pytest.mark.parametrize(
    ("name", "reasons", "ok", "text"),
    [
        pytest.param("ping", False, True, "ok", id="passes"),
        pytest.param(
            "storage", False, False, "internal server error: reason withheld\n", id="fails"
        ),
        pytest.param(
            "storage", True, False, "internal server error: disk full\n", id="fails, and why"
        ),
    ],
)
async def test_one_check_is_asked_alone(name, reasons, ok, text):
    probe = Probe("readyz", (check("ping"), check("storage", "disk full")))

    assert await probe.run_one(name, reasons=reasons) == ProbeResult(ok, text)


async def test_a_check_that_is_not_there_is_none():
    assert await Probe("livez", (check("ping"),)).run_one("x", reasons=True) is None
