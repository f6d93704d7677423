import os

import pytest

from nodeagent.figures import Throttling
from nodeagent.owncgroup import find_own, read_throttling

V2 = "usage_usec 90\nnr_periods 9\nnr_throttled 4\nthrottled_usec 2500000\n"
V1 = "nr_periods 9\nnr_throttled 4\nthrottled_time 2500000000\n"


@pytest.fixture
def tree(tmp_path):
    def make(path, *pids, stat=""):
        directory = tmp_path / path
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))
        (directory / "cpu.stat").write_text(stat)
        return directory

    return make


@pytest.mark.parametrize(
    "hierarchy",
    [
        pytest.param(".", id="version 2"),
        pytest.param("cpu", id="version 1"),
        pytest.param("cpu,cpuacct", id="version 1, as it is mounted"),
    ],
)
def test_the_cgroup_of_this_process_is_found_by_its_number(tree, tmp_path, hierarchy):
    tree(hierarchy, 1)
    tree(f"{hierarchy}/kubepods/podu1/other", f"{os.getpid()}0")
    own = tree(f"{hierarchy}/kubepods/podu2/agent", 7, os.getpid())

    assert find_own(tmp_path) == own


@pytest.mark.parametrize("path", [".", "none"])
def test_who_is_nowhere_is_not_found(tree, tmp_path, path):
    tree("kubepods/podu1", 12)

    assert find_own(tmp_path / path, pid=2) is None


@pytest.mark.parametrize(
    "stat", [pytest.param(V2, id="version 2"), pytest.param(V1, id="version 1")]
)
def test_throttling_is_read(tree, stat):
    assert read_throttling(tree("agent", stat=stat)) == Throttling(4, 2.5)


@pytest.mark.parametrize(
    "stat",
    [
        pytest.param("usage_usec 90\n", id="no quota is counted"),
        pytest.param("nr_throttled many\n", id="not a number"),
        pytest.param("nr_throttled 1 2\n", id="another format"),
    ],
)
def test_what_the_kernel_does_not_count_is_unknown(tree, stat):
    assert read_throttling(tree("agent", stat=stat)) is None


def test_a_cgroup_that_is_gone_has_no_figures(tmp_path):
    assert read_throttling(tmp_path / "gone") is None
