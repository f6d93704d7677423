"""What a person gets to know of a capture's status through the real kubectl."""

import json
import subprocess
from datetime import timedelta

import pytest

from apiserver.resource.times import render_time
from apiserver.serving.clock import utc_now
from tests.support.standalone import KUBECTL

MANIFEST = """\
apiVersion: projectcalico.org/v3
kind: PacketCapture
metadata:
  name: http
spec:
  endTime: %s
"""


def from_now(**passed):
    return render_time(utc_now() + timedelta(**passed))


@pytest.fixture
def kubectl(server, installation, namespace, tmp_path):
    layout = installation.layout
    command = [
        str(KUBECTL),
        f"--server={server.url}",
        f"--certificate-authority={layout.authority.certificate}",
        f"--client-certificate={layout.admin.certificate}",
        f"--client-key={layout.admin.key}",
        f"--namespace={namespace}",
    ]

    def run(*arguments, text="", fails=False):
        done = subprocess.run(
            [*command, *arguments],
            input=text,
            capture_output=True,
            text=True,
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
            timeout=30,
            check=False,
        )
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


CAPTURE = "packetcaptures.p/http"
COMPLETE = ("wait", CAPTURE, "--for=condition=Complete")


def test_who_waits_for_complete_is_never_fooled_by_an_edit(kubectl):
    kubectl("create", "-f", "-", text=MANIFEST % from_now(seconds=2))
    waited = kubectl(*COMPLETE, "--timeout=20s")

    edit = json.dumps({"spec": {"endTime": from_now(hours=1)}})
    kubectl("patch", CAPTURE, "--type=merge", "-p", edit)
    again = kubectl(*COMPLETE, "--timeout=1s", fails=True)

    assert waited == "packetcapture.projectcalico.org/http condition met\n"
    assert "timed out waiting" in again


def test_describe_says_how_it_stands(kubectl):
    kubectl("create", "-f", "-", text=MANIFEST % from_now(hours=-1))
    kubectl(*COMPLETE, "--timeout=20s")

    described = kubectl("describe", CAPTURE)

    assert "Reason:                EndTime" in described
    assert "Message:               0 packets captured, none dropped" in described
    assert "Message:               spec.endTime has passed" in described


def test_explain_knows_all_of_the_status(kubectl):
    explained = kubectl("explain", "packetcapture.status", "--recursive")

    for name in (
        "conditions",
        "lastTransitionTime",
        "fileNamesOmitted",
        "folded",
        "stopReason",
        "gaps",
    ):
        assert name in explained
