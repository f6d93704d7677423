"""`make demo` does what the README says, as root and without."""

import re
import subprocess
import sys

import pytest

from tests.support.standalone import ROOT

LAST_LINE = re.compile(
    r"requests sent: 1000; packets captured: (\d+); packets that tcpdump saw: (\d+); "
    r"packets dropped: 0"
)


@pytest.mark.parametrize(
    "prefix",
    [pytest.param([], id="as root"), pytest.param(["unshare", "-Urnm"], id="in a user namespace")],
)
def test_captured_and_seen_are_equal(prefix):
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "tests.demo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    last = LAST_LINE.fullmatch(done.stdout.splitlines()[-1])
    assert last
    assert last[1] == last[2]
    assert int(last[1]) >= 2000
