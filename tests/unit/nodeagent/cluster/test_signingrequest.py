import base64

import pytest

from nodeagent.cluster.signingrequest import TurnedDownError, issued_certificate, signing_request


def test_a_request_is_for_our_signer_and_for_servers():
    document = signing_request(b"pem")

    assert document["metadata"] == {"generateName": "packetcapture-agent-"}
    assert document["spec"] == {
        "request": base64.b64encode(b"pem").decode(),
        "signerName": "projectcalico.org/packetcapture-agent",
        "usages": ["digital signature", "server auth"],
    }


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param({}, b"", id="new"),
        pytest.param({"conditions": [{"type": "Approved"}]}, b"", id="approved"),
        pytest.param(
            {"conditions": [{"type": "Approved"}], "certificate": "cGVt"}, b"pem", id="signed"
        ),
    ],
)
def test_a_certificate_is_there_once_it_is_signed(status, expected):
    assert issued_certificate({"status": status}) == expected


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        pytest.param(
            {"conditions": [{"type": "Denied", "reason": "R", "message": "why"}]},
            "Denied, R: why",
            id="denied",
        ),
        pytest.param(
            {"conditions": ["x", {"type": "Approved"}, {"type": "Failed"}]},
            "Failed, : ",
            id="failed, without a reason",
        ),
        pytest.param({"certificate": "!"}, "its certificate is not Base64", id="nonsense"),
        pytest.param({"certificate": "é"}, "its certificate is not Base64", id="no ASCII"),
    ],
)
def test_what_will_bring_no_certificate_says_so(status, verdict):
    with pytest.raises(TurnedDownError) as raised:
        issued_certificate({"status": status})

    assert raised.value.verdict == verdict
