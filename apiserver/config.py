"""Flags of the API server, as one frozen value; all that is wrong with them is said at once."""

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

from apiserver.agents.directory import AgentAddress
from apiserver.durations import parse_duration
from apiserver.flags import (
    ALONE,
    DEFAULT_CA_LIFETIME,
    DEFAULT_CERTIFICATE_LIFETIME,
    DEFAULT_SERVICE_NAME,
    IN_CLUSTER,
    NAMESPACE_VARIABLE,
    POD_VARIABLE,
    build_parser,
)
from apiserver.registry.capping.caps import Allowance
from apiserver.server.limits import Bounds
from apiserver.serving.tls import TLSFiles


class ConfigError(Exception):
    """Flags that cannot work; `problems` names each of them."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class RequestHeaderConfig:
    """The front proxy that may speak for users."""

    client_ca_file: Path
    allowed_names: tuple[str, ...]
    username_headers: tuple[str, ...]
    uid_headers: tuple[str, ...]
    group_headers: tuple[str, ...]
    extra_headers_prefix: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AgentsConfig:
    """The node agents, and how they and the server know each other."""

    addresses: dict[str, AgentAddress]
    tls: TLSFiles
    ca_file: Path


@dataclass(frozen=True, slots=True)
class StandaloneConfig:
    """A server without a cluster: everything that a cluster would tell comes from files."""

    tls: TLSFiles
    agents: AgentsConfig | None


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """A server in a cluster: `kubeconfig` None means the pod's own ServiceAccount.

    `pod_name` is what its Events say they come from, empty where that is not known.
    `tls` None means certificates of the installation's own CA, which live as long as is said here.
    """

    kubeconfig: Path | None
    namespace: str
    pod_name: str
    service_name: str
    take_over: bool
    tls: TLSFiles | None
    ca_lifetime: timedelta
    certificate_lifetime: timedelta


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that the API server is told at its start.

    In a cluster `client_ca_file` and `request_header` override what the cluster publishes.
    """

    bind_address: str
    secure_port: int
    client_ca_file: Path | None
    request_header: RequestHeaderConfig | None
    data_dir: Path
    mode: StandaloneConfig | ClusterConfig
    bounds: Bounds
    allowance: Allowance
    shutdown_delay_seconds: float
    shutdown_seconds: float
    log_level: str


def parse_config(arguments: list[str], environment: Mapping[str, str] = os.environ) -> Config:
    """Read the command line. Raises ConfigError; argparse itself exits on what it cannot read."""
    options = build_parser().parse_args(arguments)
    problems: list[str] = []
    _refuse_misplaced(options, problems)
    mode: StandaloneConfig | ClusterConfig | None
    if options.standalone:
        mode = _standalone(options, problems)
    else:
        mode = _cluster(options, environment, problems)
    delay = _seconds("--shutdown-delay-duration", options.shutdown_delay_duration, problems)
    bounds, allowance = _bounds(options, problems), _allowance(options, problems)
    _require_address(options.bind_address, problems)
    if problems or mode is None:
        raise ConfigError(tuple(problems))
    return Config(
        bind_address=options.bind_address,
        secure_port=options.secure_port,
        client_ca_file=options.client_ca_file,
        request_header=_request_header(options),
        data_dir=options.data_dir,
        mode=mode,
        bounds=bounds,
        allowance=allowance,
        shutdown_delay_seconds=delay or 0.0,
        shutdown_seconds=options.shutdown_seconds,
        log_level=options.log_level,
    )


def _refuse_misplaced(options: argparse.Namespace, problems: list[str]) -> None:
    misplaced, why = (
        (IN_CLUSTER, "is for a server in a cluster, and --standalone is given")
        if options.standalone
        else (ALONE, "is for --standalone: in a cluster agents are found by their pods")
    )
    problems.extend(
        f"{_flag(name)} {why}" for name in misplaced if getattr(options, name) is not None
    )


def _require_address(text: str, problems: list[str]) -> None:
    try:
        ip_address(text)
    except ValueError:
        problems.append(f"--bind-address={text}: must be an IP address")


def _bounds(options: argparse.Namespace, problems: list[str]) -> Bounds:
    names = (
        *("max_requests_inflight", "max_mutating_requests_inflight"),
        *("max_watches", "max_watches_per_user"),
    )
    return Bounds(*_numbers(options, names, problems))


def _allowance(options: argparse.Namespace, problems: list[str]) -> Allowance:
    names = ("max_captures", "max_captures_per_namespace", "max_endpoints_per_capture")
    return Allowance(*_numbers(options, names, problems))


def _numbers(
    options: argparse.Namespace, names: tuple[str, ...], problems: list[str]
) -> list[int]:
    numbers = [int(getattr(options, name)) for name in names]
    problems.extend(
        f"{_flag(name)} must not be below zero"
        for name, number in zip(names, numbers, strict=True)
        if number < 0
    )
    return numbers


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _standalone(options: argparse.Namespace, problems: list[str]) -> StandaloneConfig | None:
    if not options.client_ca_file and not options.requestheader_client_ca_file:
        problems.append(
            "one of --client-ca-file and --requestheader-client-ca-file is needed: "
            "without either nobody can be authenticated"
        )
    tls, agents = _tls(options, problems), _agents(options, problems)
    if tls is None:
        problems.append("--standalone needs --tls-cert-file and --tls-private-key-file")
        return None
    return StandaloneConfig(tls=tls, agents=agents)


def _cluster(
    options: argparse.Namespace, environment: Mapping[str, str], problems: list[str]
) -> ClusterConfig:
    namespace = options.namespace or environment.get(NAMESPACE_VARIABLE, "")
    if not namespace:
        problems.append(
            f"--namespace is needed: the namespace of this server (or ${NAMESPACE_VARIABLE})"
        )
    ca_lifetime = _lifetime("--ca-lifetime", options.ca_lifetime or DEFAULT_CA_LIFETIME, problems)
    lifetime = _lifetime(
        "--certificate-lifetime",
        options.certificate_lifetime or DEFAULT_CERTIFICATE_LIFETIME,
        problems,
    )
    if ca_lifetime and lifetime and lifetime > ca_lifetime:
        problems.append("--certificate-lifetime must not be longer than --ca-lifetime")
    return ClusterConfig(
        kubeconfig=options.kubeconfig,
        namespace=namespace,
        pod_name=environment.get(POD_VARIABLE, ""),
        service_name=options.service_name or DEFAULT_SERVICE_NAME,
        take_over=bool(options.take_over),
        tls=_tls(options, problems),
        ca_lifetime=ca_lifetime,
        certificate_lifetime=lifetime,
    )


def _tls(options: argparse.Namespace, problems: list[str]) -> TLSFiles | None:
    certificate, key = options.tls_cert_file, options.tls_private_key_file
    if (certificate is None) is not (key is None):
        problems.append("--tls-cert-file and --tls-private-key-file are given together")
    if certificate is None or key is None:
        return None
    return TLSFiles(certificate, key)


def _lifetime(flag: str, text: str, problems: list[str]) -> timedelta:
    """Return how long something lives, 0 where that makes no sense."""
    seconds = _seconds(flag, text, problems)
    if seconds is not None and seconds <= 0:
        problems.append(f"{flag} must be above zero")
    return timedelta(seconds=max(seconds or 0.0, 0.0))


def _seconds(flag: str, text: str, problems: list[str]) -> float | None:
    try:
        return parse_duration(text)
    except ValueError as error:
        problems.append(f"{flag}={text}: {error}, as in 90s or 720h")
        return None


def _request_header(options: argparse.Namespace) -> RequestHeaderConfig | None:
    if options.requestheader_client_ca_file is None:
        return None
    return RequestHeaderConfig(
        client_ca_file=options.requestheader_client_ca_file,
        allowed_names=_names(options.requestheader_allowed_names),
        username_headers=_headers(options.requestheader_username_headers),
        uid_headers=_headers(options.requestheader_uid_headers),
        group_headers=_headers(options.requestheader_group_headers),
        extra_headers_prefix=_headers(options.requestheader_extra_headers_prefix),
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in text.split(",") if each.strip())


def _headers(text: str) -> tuple[str, ...]:
    """Header names are compared without case; lower case is how requests are read."""
    return tuple(each.lower() for each in _names(text))


def _agents(options: argparse.Namespace, problems: list[str]) -> AgentsConfig | None:
    if not options.agent:
        return None
    files = (
        options.agent_ca_file,
        options.agent_client_cert_file,
        options.agent_client_key_file,
    )
    if None in files:
        problems.append(
            "--agent needs --agent-ca-file, --agent-client-cert-file and --agent-client-key-file"
        )
        return None
    addresses: dict[str, AgentAddress] = {}
    for text in options.agent:
        node, _, address = text.partition("=")
        host, _, port = address.rpartition(":")
        if not (node and host and port.isascii() and port.isdigit()):
            problems.append(f"--agent={text}: must be NODE=HOST:PORT")
            continue
        addresses[node] = AgentAddress(host.strip("[]"), int(port))
    ca_file, certificate, key = files
    return AgentsConfig(addresses=addresses, tls=TLSFiles(certificate, key), ca_file=ca_file)
