import pytest

from apiserver.agents.directory import AgentAddress
from apiserver.config import ConfigError, parse_config

SERVING = ["--tls-cert-file=c", "--tls-private-key-file=k", "--data-dir=d"]
CLIENTS = ["--client-ca-file=ca"]
AGENT_TLS = ["--agent-ca-file=a", "--agent-client-cert-file=b", "--agent-client-key-file=c"]


def test_agents_are_read_by_node():
    config = parse_config(
        [*SERVING, *CLIENTS, *AGENT_TLS, "--agent=n1=127.0.0.1:8443", "--agent=n2=[::1]:9"]
    )

    assert config.agents is not None
    assert config.agents.addresses == {
        "n1": AgentAddress("127.0.0.1", 8443),
        "n2": AgentAddress("::1", 9),
    }


def test_header_names_have_no_case():
    config = parse_config(
        [*SERVING, "--requestheader-client-ca-file=f", "--requestheader-allowed-names=a, b"]
    )

    assert config.request_header is not None
    assert config.request_header.username_headers == ("x-remote-user",)
    assert config.request_header.allowed_names == ("a", "b")


def test_all_problems_are_said_at_once():
    with pytest.raises(ConfigError) as caught:
        parse_config([*SERVING, *AGENT_TLS, "--agent=n1", "--agent=n2=host:port"])

    assert len(caught.value.problems) == 3


def test_an_agent_cannot_be_asked_without_certificates():
    with pytest.raises(ConfigError, match="--agent-client-key-file"):
        parse_config([*SERVING, *CLIENTS, "--agent=n1=h:1"])
