"""`make run`: everything begins with one command and ends with Ctrl-C."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.standalone import ROOT, kubectl_environment, standalone


def children_of(process: subprocess.Popen[str]) -> list[int]:
    """Return the processes that a process has started."""
    text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(each) for each in text.split()]


def ends(pid: int, *, seconds: int = 20) -> bool:
    """Wait until a process is gone."""
    done = subprocess.run(
        ["tail", "--pid", str(pid), "-s", "0.1", "-f", "/dev/null"], timeout=seconds, check=False
    )
    return done.returncode == 0


@pytest.fixture
def installation(tmp_path):
    workloads = tmp_path / "workloads.yaml"
    with standalone(tmp_path / "state", workloads=workloads, node="n1") as running:
        yield running


def test_the_printed_kubeconfig_works(installation, tmp_path):
    environment = kubectl_environment(installation.kubeconfig, tmp_path)

    done = subprocess.run(
        ["kubectl", "get", "packetcaptures.p", "-A"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "No resources found" in done.stderr


def test_the_samples_work_as_they_are(tmp_path):
    samples = ROOT / "manifests" / "samples"
    workloads = samples / "workloads.yaml"
    with standalone(tmp_path / "state", workloads=workloads, node="this-machine") as running:
        environment = kubectl_environment(running.kubeconfig, tmp_path)
        create = ["kubectl", "create", "-f", str(samples / "packetcapture.yaml")]
        subprocess.run(create, env=environment, check=True, capture_output=True)
        message = "{.status.files[0].endpoints[0].message}"
        wait = ["kubectl", "wait", f"--for=jsonpath={message}", "packetcaptures.p", "http"]
        subprocess.run([*wait, "--timeout=20s"], env=environment, check=True, capture_output=True)
        get = ["kubectl", "get", "packetcaptures.p", "http", "-o", f"jsonpath={message}"]
        shown = subprocess.run(get, env=environment, check=True, capture_output=True, text=True)

    assert shown.stdout == "interface cali0123456789a does not exist on this node"


def test_keys_are_for_their_owner_alone(installation):
    keys = list(installation.state.rglob("*.key"))

    assert keys
    assert {path.stat().st_mode & 0o077 for path in keys} == {0}


def test_ctrl_c_ends_everything(installation):
    children = children_of(installation.process)

    installation.process.send_signal(signal.SIGINT)

    assert installation.process.wait(20) == 0
    assert len(children) == 2
    assert all(ends(pid) for pid in children)


def test_ctrl_c_twice_leaves_nothing_behind(installation):
    children = children_of(installation.process)

    # A terminal sends it to all processes of the foreground.
    for _ in range(2):
        for pid in (installation.process.pid, *children):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)

    installation.process.wait(20)
    assert all(ends(pid) for pid in children)


def test_a_killed_parent_takes_its_children_along(installation):
    children = children_of(installation.process)

    installation.process.kill()

    assert all(ends(pid) for pid in children)


def test_a_program_that_ends_ends_the_other_and_says_so(installation):
    children = children_of(installation.process)

    os.kill(children[0], signal.SIGKILL)

    assert installation.process.wait(20) == 1
    assert ends(children[1])


def test_it_starts_again_on_the_same_directory(tmp_path):
    workloads = tmp_path / "workloads.yaml"
    for _ in range(2):
        with standalone(tmp_path / "state", workloads=workloads, node="n1") as running:
            assert running.process.poll() is None
