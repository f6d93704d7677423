"""API servers whose files and clocks are not what they should be, as processes on this machine."""

import secrets
from base64 import b64decode
from contextlib import ExitStack
from datetime import timedelta

import pytest

from apiserver.pki import Identity, is_signed_by, issue, new_authority, read_certificates
from apiserver.serving.clock import utc_now
from tests.cluster.hostserver import server_here
from tests.cluster.operating import (
    SECRET,
)

pytestmark = pytest.mark.timeout(240)


def test_servers_that_start_together_agree_on_one_ca_whatever_their_clocks_say(
    workshop, namespace, tmp_path
):
    clocks = ("", "+1h", "-1h")
    with ExitStack() as stack:
        servers = [
            stack.enter_context(
                server_here(workshop, tmp_path / f"data{number}", namespace=namespace, clock=clock)
            )
            for number, clock in enumerate(clocks)
        ]
        for each in servers:
            # That one is the installation's, and stays so.
            each.until_ready(but={"apiservice"})

        shown = [each.certificate() for each in servers]
        kept = workshop.get(SECRET, f"--namespace={namespace}")["data"]["ca.crt"]
        (authority,) = read_certificates(b64decode(kept))
        assert all(is_signed_by(each, authority) for each in shown)
        assert all(each.is_valid(utc_now()) for each in shown)


def test_a_certificate_that_has_ended_is_told_and_its_successor_is_taken(
    workshop, namespace, tmp_path
):
    def bring(lifetime):
        pair = issue(authority, Identity("brought"), now=utc_now(), lifetime=lifetime)
        (tmp_path / "tls.crt").write_bytes(pair.certificate)
        (tmp_path / "tls.key").write_bytes(pair.key)
        return read_certificates(pair.certificate)[0]

    authority = new_authority("brought", now=utc_now(), lifetime=timedelta(days=1))
    bring(timedelta(minutes=-1))
    files = (f"--tls-cert-file={tmp_path}/tls.crt", f"--tls-private-key-file={tmp_path}/tls.key")
    with server_here(workshop, tmp_path / "data", *files, namespace=namespace) as server:
        told = server.until_logged(lambda line: "ended at" in line.get("problem", ""))

        assert told["problem"].startswith(f"certificate in {tmp_path}/tls.crt: ended at ")
        assert "has to be renewed" in server.readiness()["serving-certificate"]
        renewed = bring(timedelta(hours=1))
        server.until_logged(lambda line: line["message"] == "as it should be again")
        assert server.certificate() == renewed
        assert "serving-certificate" not in server.readiness()


@pytest.fixture
def namespace(workshop):
    """A namespace for servers on this machine, which nobody asks through kube-apiserver."""
    name = f"elsewhere-{secrets.token_hex(4)}"
    workshop.kubectl("create", "namespace", name)
    yield name
    workshop.kubectl("delete", "namespace", name, "--wait=false")
