"""A program that cannot start says why, in one line, and ends."""

import json
import socket
import subprocess
import sys

import pytest

from tests.support.server import install
from tests.support.standalone import ROOT


@pytest.fixture
def layout(tmp_path):
    return install(tmp_path).layout


@pytest.fixture
def taken_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def run(program, flags, **changed):
    """Run a program with flags (of which some may be changed) that it should not survive."""
    flags = flags | {name.replace("_", "-"): value for name, value in changed.items()}
    command = [f"--{name}={value}" for name, value in flags.items() if value is not None]
    command += ["--standalone"] if program == "apiserver" else []
    return subprocess.run(
        [sys.executable, "-m", program, *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def server_flags(layout):
    return {
        "bind-address": "127.0.0.1",
        "secure-port": 0,
        "tls-cert-file": layout.server.certificate,
        "tls-private-key-file": layout.server.key,
        "client-ca-file": layout.authority.certificate,
        "data-dir": layout.data,
    }


def agent_flags(layout):
    return {
        "bind-address": "127.0.0.1",
        "secure-port": 0,
        "node-name": "n1",
        "kubeconfig": layout.agent_kubeconfig,
        "workloads": layout.workloads,
        "capture-dir": layout.captures,
        "tls-cert-file": layout.agent.certificate,
        "tls-private-key-file": layout.agent.key,
        "client-ca-file": layout.authority.certificate,
    }


def reasons(done):
    """Return the reasons that a program gave for ending."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    records = [json.loads(line) for line in done.stderr.splitlines()]
    return [record["error"] for record in records if record["level"] == "error"]


def test_a_server_without_any_ca_says_which_flags_would_do(layout):
    done = run("apiserver", server_flags(layout), client_ca_file=None)

    assert done.returncode == 2
    assert "--client-ca-file" in done.stderr


@pytest.mark.parametrize(
    ("program", "flags"), [("apiserver", server_flags), ("nodeagent", agent_flags)]
)
def test_a_port_that_is_taken_is_named(layout, taken_port, program, flags):
    (reason,) = reasons(run(program, flags(layout), secure_port=taken_port))

    assert str(taken_port) in reason
    assert "in use" in reason


@pytest.mark.parametrize(
    ("program", "flags"), [("apiserver", server_flags), ("nodeagent", agent_flags)]
)
def test_a_certificate_that_is_missing_is_said(layout, program, flags):
    (reason,) = reasons(run(program, flags(layout), tls_cert_file="nowhere.crt"))

    assert "No such file" in reason


def test_a_ca_that_is_none_is_said(layout):
    (reason,) = reasons(run("apiserver", server_flags(layout), client_ca_file=layout.server.key))

    assert reason


def test_a_data_directory_that_cannot_be_made_is_named(layout, tmp_path):
    (tmp_path / "file").write_text("in the way")

    (reason,) = reasons(
        run("apiserver", server_flags(layout), data_dir=tmp_path / "file" / "data")
    )

    assert str(tmp_path / "file") in reason


def test_a_kubeconfig_that_is_missing_is_named(layout):
    (reason,) = reasons(run("nodeagent", agent_flags(layout), kubeconfig="nowhere.yaml"))

    assert "nowhere.yaml" in reason
