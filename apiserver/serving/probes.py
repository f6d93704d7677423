"""Named checks behind `/livez`, `/readyz` and `/healthz`, in kube-apiserver's words (server/healthz)."""

import logging
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

log = logging.getLogger(__name__)

_WITHHELD = "reason withheld"


@dataclass(frozen=True, slots=True)
class Check:
    """One condition: `problem()` answers what is wrong, or an empty text."""

    name: str
    problem: Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """An answer to a probe."""

    ok: bool
    text: str


class Probe:
    """All checks of one probe path; logs when the whole turns good or bad, not every time."""

    def __init__(self, name: str, checks: tuple[Check, ...]) -> None:
        self._name = name
        self._checks = checks
        self._failing: tuple[str, ...] | None = None
        self._has_passed = False

    async def run(
        self, *, verbose: bool, reasons: bool = False, excluded: AbstractSet[str] = frozenset()
    ) -> ProbeResult:
        """Ask every check but the excluded; a failure is told in full, success only if `verbose`.

        Why a check failed is for the log, and in the answer only for those who may know `reasons`.
        """
        problems = {
            check.name: await check.problem()
            for check in self._checks
            if check.name not in excluded
        }
        if len(problems) == len(self._checks):
            self._log_change(problems)
        ok = not any(problems.values())
        if ok and not verbose:
            return ProbeResult(ok=True, text="ok")
        lines = [self._line(check.name, problems, reasons=reasons) for check in self._checks]
        unknown = sorted(excluded - {check.name for check in self._checks})
        if unknown:
            names = ", ".join(f'"{each}"' for each in unknown)
            lines.append(f"warn: some health checks cannot be excluded: no matches for {names}")
        verdict = "passed" if ok else "failed"
        return ProbeResult(ok=ok, text="\n".join([*lines, f"{self._name} check {verdict}", ""]))

    async def run_one(self, name: str, *, reasons: bool) -> ProbeResult | None:
        """Ask one check alone; None where there is none of that name."""
        for check in self._checks:
            if check.name == name:
                problem = await check.problem()
                told = problem if reasons else _WITHHELD
                text = f"internal server error: {told}\n" if problem else "ok"
                return ProbeResult(ok=not problem, text=text)
        return None

    def _line(self, name: str, problems: dict[str, str], *, reasons: bool) -> str:
        match problems.get(name):
            case None:
                return f"[+]{name} excluded: ok"
            case "":
                return f"[+]{name} ok"
            case problem:
                return f"[-]{name} failed: {problem if reasons else _WITHHELD}"

    def _log_change(self, problems: dict[str, str]) -> None:
        failing = tuple(f"{name}: {problem}" for name, problem in problems.items() if problem)
        if failing == self._failing:
            return
        self._failing = failing
        if not failing:
            self._has_passed = True
            log.info("probe passes", extra={"probe": self._name})
        else:
            # Who starts is not ready at once: what goes wrong meanwhile is told where it does.
            level = logging.WARNING if self._has_passed else logging.INFO
            log.log(level, "probe fails", extra={"probe": self._name, "checks": list(failing)})


class Gate:
    """Opens when a probe passes for the first time, and never closes again.

    Before that, what is asked of this process would get answers that are not true; what fails later
    is told by the requests that it concerns.
    """

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._is_open = False

    async def is_open(self) -> bool:
        """Tell whether the probe has ever passed, trying it where it has not."""
        if not self._is_open:
            self._is_open = (await self._probe.run(verbose=False)).ok
        return self._is_open
