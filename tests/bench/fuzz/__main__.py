"""`python -m tests.bench.fuzz`: hostile requests, many of them, against a server of our own.

No request may make the server fail, hang, grow, or log what somebody would have to look at. What does is
printed with its number: `--seed S --first NUMBER --cases 1` sends it again.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from apiserver.serving.loop import run as run_loop
from tests.bench.fuzz.callers import callers
from tests.bench.fuzz.driving import ANSWER_SECONDS, Driver, Findings, Plan, Violation
from tests.bench.fuzz.serverlog import ServerLog, log_of
from tests.support.rawhttp import usage
from tests.support.server import Server, install, serving

# After so much of a run all caches are full and all series counted; from then on memory must not grow.
WARM = 0.2
MAX_GROWTH_BYTES = 48 << 20

_REPORTS = 10
_SHOWN_VIOLATIONS = 20
_SHOWN_BYTES = 3_000


class Progress:
    """Prints where a run is, and keeps what the server took."""

    def __init__(self, server: Server, count: int) -> None:
        self._pid = server.process.pid
        self._count = count
        self._began = time.monotonic()
        self._marks = {max(1, count * each // _REPORTS) for each in range(1, _REPORTS + 1)}
        self._warm_at = max(1, int(count * WARM))
        self.start_bytes = self.warm_bytes = usage(self._pid).resident_bytes

    @property
    def seconds(self) -> float:
        """The time since the beginning."""
        return time.monotonic() - self._began

    def tell(self, findings: Findings) -> None:
        """Take note of a case that is done."""
        done = findings.done
        if done == self._warm_at:
            self.warm_bytes = self.resident_bytes
        if done in self._marks:
            print(
                f"{done:>9} cases, {done / self.seconds:6.0f}/s, {self.resident_bytes >> 20} MiB, "
                f"{len(findings.violations)} violations",
                flush=True,
            )

    @property
    def resident_bytes(self) -> int:
        """The memory that the server has now."""
        return usage(self._pid).resident_bytes


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, and say whether all was well."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    options = parser.parse_args(arguments)
    plan = Plan(options.seed, options.cases, options.first)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as directory:
        installation = install(Path(directory))
        with serving(installation) as server, log_of(server) as log:
            progress = Progress(server, plan.count)
            driver = Driver(server.url, callers(installation), progress.tell)
            run_loop(driver.run(plan))
            growth = progress.resident_bytes - progress.warm_bytes
            report(driver.findings, progress)
            status = server.process.poll()
    wrong = [*_shown(plan, driver.findings.violations), *_logged(log)]
    if plan.count > _REPORTS and growth > MAX_GROWTH_BYTES:
        wrong.append(f"the server has grown by {growth >> 20} MiB since it was warm")
    if status is not None:
        wrong.append(f"the server ended, with status {status}")
    print(*wrong or ["no violations"], sep="\n\n")
    return 1 if wrong else 0


def report(findings: Findings, progress: Progress) -> None:
    """Print the figures of a run."""
    seconds, number = findings.slowest
    print(
        f"{findings.done} cases in {progress.seconds:.0f} s: {findings.done / progress.seconds:.0f}/s"
    )
    print("codes:", ", ".join(f"{code}: {n}" for code, n in sorted(findings.codes.items())))
    print(f"slowest: {seconds:.2f} s, case {number} (bound: {ANSWER_SECONDS:g} s)")
    memory = (progress.start_bytes, progress.warm_bytes, progress.resident_bytes)
    print("memory: {} MiB at the start, {} warm, {} at the end".format(*(m >> 20 for m in memory)))


def _shown(plan: Plan, violations: Sequence[Violation]) -> list[str]:
    kinds: dict[tuple[str, int], Violation] = {}
    for each in violations:
        kinds.setdefault((each.what, each.answer.code), each)
    return [
        f"VIOLATION: {each.what}: --seed {plan.seed} --first {each.case.number} --cases 1 "
        f"(as {each.case.caller})\n{each.case.text[:_SHOWN_BYTES]!r}\nanswer: "
        f"{each.answer.code} {dict(each.answer.headers)} {each.answer.body[:_SHOWN_BYTES]!r}"
        for each in list(kinds.values())[:_SHOWN_VIOLATIONS]
    ]


def _logged(log: ServerLog) -> list[str]:
    """Show what the server complained of; `audit_id` ends with the number of the case."""
    kinds = {each.get("exception", "")[-200:]: each for each in log.complaints}
    return [f"LOGGED: {each}" for each in list(kinds.values())[:_SHOWN_VIOLATIONS]]


if __name__ == "__main__":
    sys.exit(main())
