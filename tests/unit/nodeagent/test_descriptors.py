"""Each limit is tried in a process of its own: one that was lowered cannot be raised by everybody."""

import subprocess
import sys

import pytest

from tests.support.standalone import ROOT

_AGENT = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from nodeagent.main import main
main(["--dry-run", "--node-name=n1", "--workloads=/nowhere/workloads.yaml"])
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "limits"),
    [
        pytest.param(256, 4096, (4096, 4096), id="as far as it may"),
        pytest.param(4000, 4000, (4000, 4000), id="no further"),
    ],
)
def test_the_agent_may_have_as_many_files_open_as_its_container_may(soft, hard, limits):
    done = subprocess.run(
        [sys.executable, "-c", _AGENT.format(soft=soft, hard=hard)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    assert done.stdout == f"{limits}\n"
