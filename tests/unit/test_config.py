from datetime import timedelta

import pytest

from apiserver.agents.directory import AgentAddress
from apiserver.config import ClusterConfig, ConfigError, StandaloneConfig, parse_config
from apiserver.registry.capping.caps import Allowance
from apiserver.server.limits import Bounds

SERVING = ["--standalone", "--tls-cert-file=c", "--tls-private-key-file=k", "--data-dir=d"]
CLIENTS = ["--client-ca-file=ca"]
AGENT_TLS = ["--agent-ca-file=a", "--agent-client-cert-file=b", "--agent-client-key-file=c"]


def test_agents_are_read_by_node():
    config = parse_config(
        [*SERVING, *CLIENTS, *AGENT_TLS, "--agent=n1=127.0.0.1:8443", "--agent=n2=[::1]:9"]
    )

    assert isinstance(config.mode, StandaloneConfig)
    assert config.mode.agents is not None
    assert config.mode.agents.addresses == {
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


IN_CLUSTER = ["--data-dir=d"]


def test_in_a_cluster_nothing_but_the_namespace_has_to_be_told():
    config = parse_config(IN_CLUSTER, {"POD_NAMESPACE": "ours"})

    assert isinstance(config.mode, ClusterConfig)
    assert (config.mode.namespace, config.mode.service_name) == ("ours", "packetcapture-apiserver")
    assert (config.mode.kubeconfig, config.mode.tls, config.mode.take_over) == (None, None, False)


def test_lifetimes_are_durations():
    lifetimes = ["--ca-lifetime=10m", "--certificate-lifetime=1m30s"]

    mode = parse_config([*IN_CLUSTER, "--namespace=ours", *lifetimes]).mode

    assert isinstance(mode, ClusterConfig)
    assert mode.ca_lifetime == timedelta(minutes=10)
    assert mode.certificate_lifetime == timedelta(seconds=90)


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        ([], "--namespace is needed"),
        (["--namespace=n", "--tls-cert-file=c"], "--tls-private-key-file"),
        (["--namespace=n", "--ca-lifetime=10"], 'missing unit in duration "10"'),
        (["--namespace=n", "--certificate-lifetime=0"], "must be above zero"),
        (["--namespace=n", "--ca-lifetime=1h"], "must not be longer"),
        (["--namespace=n", "--agent=n=h:1"], "found by their pods"),
        (["--standalone", "--client-ca-file=c"], "needs --tls-cert-file"),
        (["--namespace=n", "--bind-address=localhost"], "must be an IP address"),
        (["--namespace=n", "--max-watches=-1"], "--max-watches must not be below zero"),
    ],
)
def test_flags_that_cannot_work_are_named(flags, problem):
    with pytest.raises(ConfigError, match=problem):
        parse_config([*IN_CLUSTER, *flags], {})


@pytest.mark.parametrize("lifetime", ["10", "0s", "-1h"])
def test_a_lifetime_that_makes_no_sense_is_one_problem(lifetime):
    with pytest.raises(ConfigError) as raised:
        parse_config([*IN_CLUSTER, "--namespace=n", f"--ca-lifetime={lifetime}"], {})

    assert len(raised.value.problems) == 1


@pytest.mark.parametrize(
    "flag",
    [
        "--kubeconfig=k",
        "--namespace=n",
        "--service-name=packetcapture-apiserver",
        "--take-over",
        "--ca-lifetime=1h",
        "--certificate-lifetime=1h",
    ],
)
def test_a_flag_for_a_cluster_is_refused_without_one(flag):
    with pytest.raises(
        ConfigError, match=f"{flag.partition('=')[0]} is for a server in a cluster"
    ):
        parse_config([*SERVING, *CLIENTS, flag])


@pytest.mark.parametrize("flag", ["--agent=n=h:1", *AGENT_TLS])
def test_a_flag_for_no_cluster_is_refused_in_one(flag):
    with pytest.raises(ConfigError, match=f"{flag.partition('=')[0]} is for --standalone"):
        parse_config([*IN_CLUSTER, "--namespace=n", flag], {})


def test_the_namespace_of_a_pod_is_no_flag_that_was_given():
    assert parse_config([*SERVING, *CLIENTS], {"POD_NAMESPACE": "ours"}).data_dir.name == "d"


def test_limits_are_those_of_kubernetes_where_they_are_not_told():
    told = ["--max-requests-inflight=0", "--max-watches-per-user=7"]

    assert parse_config([*SERVING, *CLIENTS]).bounds == Bounds(400, 200, 10_000, 500)
    assert parse_config([*SERVING, *CLIENTS, *told]).bounds == Bounds(0, 200, 10_000, 7)


def test_caps_are_those_of_the_manual_where_they_are_not_told():
    told = ["--max-captures=0", "--max-captures-per-namespace=7"]

    assert parse_config([*SERVING, *CLIENTS]).allowance == Allowance(500, 100, 1000)
    assert parse_config([*SERVING, *CLIENTS, *told]).allowance == Allowance(0, 7, 1000)


@pytest.mark.parametrize("address", ["::", "::1", "10.0.0.1"])
def test_an_address_may_be_of_either_family(address):
    config = parse_config([*SERVING, *CLIENTS, f"--bind-address={address}"])

    assert config.bind_address == address
