from pathlib import Path

import pytest

from nodeagent.config import parse_config

NEEDED = [
    "--node-name=n1",
    "--kubeconfig=k",
    "--workloads=w",
    "--tls-cert-file=c",
    "--tls-private-key-file=k",
    "--client-ca-file=a",
]


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        pytest.param([], {}, "/var/log/calico/pcap", id="Felix's default"),
        pytest.param([], {"FELIX_CaptureDir": "/data"}, "/data", id="Felix's variable"),
        pytest.param([], {"felix_capturedir": "/data"}, "/data", id="in any case"),
        pytest.param(
            ["--capture-dir=/x"], {"FELIX_CaptureDir": "/data"}, "/x", id="the flag wins"
        ),
    ],
)
def test_the_capture_directory_is_felixs_if_nothing_else_is_said(arguments, environment, expected):
    assert parse_config([*NEEDED, *arguments], environment).capture_dir == Path(expected)
