"""Flags of the API server, as one frozen value; all that is wrong with them is said at once.

Flags keep the names of Kubernetes' API servers (apiserver-protocol 10.7).
"""

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from apiserver.agents.directory import AgentAddress
from apiserver.serving.tls import TLSFiles
from apiserver.wire.durations import parse_duration

# Given by the downward API to the pod that the server runs in.
NAMESPACE_VARIABLE = "POD_NAMESPACE"

# The CA outlives the certificates that it signs: those are exchanged many times under one CA.
DEFAULT_CA_LIFETIME = "87600h"
DEFAULT_CERTIFICATE_LIFETIME = "720h"


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

    `tls` None means certificates of the installation's own CA, which live as long as is said here.
    """

    kubeconfig: Path | None
    namespace: str
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
    shutdown_delay_seconds: float
    shutdown_seconds: float
    log_level: str


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m apiserver",
        description="Serve packetcaptures.projectcalico.org.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--bind-address", default="0.0.0.0", help="address to listen on")  # noqa: S104 - the name and default of Kubernetes' servers
    add("--secure-port", type=int, default=443, help="port to listen on, with TLS; 0: any")
    add("--data-dir", type=Path, required=True, help="directory of the embedded store")
    add("--tls-cert-file", type=Path, help="serving certificate and chain, PEM; own CA without")
    add("--tls-private-key-file", type=Path, help="its key, PEM")
    add("--client-ca-file", type=Path, help="CA of client certificates (CN: user, O: groups)")
    add("--requestheader-client-ca-file", type=Path, help="CA of the front proxy's certificate")
    add("--requestheader-allowed-names", default="", help="its names, with commas; empty: any")
    add("--requestheader-username-headers", default="X-Remote-User")
    add("--requestheader-uid-headers", default="X-Remote-Uid")
    add("--requestheader-group-headers", default="X-Remote-Group")
    add("--requestheader-extra-headers-prefix", default="X-Remote-Extra-")
    add(
        "--shutdown-delay-duration",
        default="5s",
        help="time to serve on, unready, when told to end",
    )
    add("--shutdown-seconds", type=float, default=10.0, help="time for requests to finish then")
    add("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    cluster = parser.add_argument_group("in a cluster").add_argument
    cluster("--kubeconfig", type=Path, help="how to reach kube-apiserver; the pod's own without")
    cluster("--namespace", default=environment.get(NAMESPACE_VARIABLE, ""), help="of this server")
    cluster("--service-name", default="packetcapture-apiserver", help="of this server's Service")
    cluster("--take-over", action="store_true", help="take the API group from who has it")
    cluster("--ca-lifetime", default=DEFAULT_CA_LIFETIME, help="of the CA made here")
    cluster(
        "--certificate-lifetime", default=DEFAULT_CERTIFICATE_LIFETIME, help="of what it signs"
    )
    alone = parser.add_argument_group("without a cluster").add_argument
    alone("--standalone", action="store_true", help="there is no cluster: all comes from files")
    alone("--agent", action="append", default=[], metavar="NODE=HOST:PORT", help="a node's agent")
    alone("--agent-ca-file", type=Path, help="CA of the agents' certificates")
    alone("--agent-client-cert-file", type=Path, help="certificate to show to the agents")
    alone("--agent-client-key-file", type=Path, help="its key")
    return parser


def parse_config(arguments: list[str], environment: Mapping[str, str] = os.environ) -> Config:
    """Read the command line. Raises ConfigError; argparse itself exits on what it cannot read."""
    options = _parser(environment).parse_args(arguments)
    problems: list[str] = []
    mode = _standalone(options, problems) if options.standalone else _cluster(options, problems)
    delay = _seconds(options, "shutdown_delay_duration", problems)
    if problems or mode is None:
        raise ConfigError(tuple(problems))
    return Config(
        bind_address=options.bind_address,
        secure_port=options.secure_port,
        client_ca_file=options.client_ca_file,
        request_header=_request_header(options),
        data_dir=options.data_dir,
        mode=mode,
        shutdown_delay_seconds=delay or 0.0,
        shutdown_seconds=options.shutdown_seconds,
        log_level=options.log_level,
    )


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


def _cluster(options: argparse.Namespace, problems: list[str]) -> ClusterConfig:
    if not options.namespace:
        problems.append(
            f"--namespace is needed: the namespace of this server (or ${NAMESPACE_VARIABLE})"
        )
    if options.agent:
        problems.append("--agent is for --standalone: in a cluster agents are found by their pods")
    ca_lifetime = _lifetime(options, "ca_lifetime", problems)
    lifetime = _lifetime(options, "certificate_lifetime", problems)
    if ca_lifetime and lifetime and lifetime > ca_lifetime:
        problems.append("--certificate-lifetime must not be longer than --ca-lifetime")
    return ClusterConfig(
        kubeconfig=options.kubeconfig,
        namespace=options.namespace,
        service_name=options.service_name,
        take_over=options.take_over,
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


def _lifetime(options: argparse.Namespace, name: str, problems: list[str]) -> timedelta:
    """Return how long something lives, 0 where that makes no sense."""
    seconds = _seconds(options, name, problems)
    if seconds is not None and seconds <= 0:
        problems.append(f"--{name.replace('_', '-')} must be above zero")
    return timedelta(seconds=max(seconds or 0.0, 0.0))


def _seconds(options: argparse.Namespace, name: str, problems: list[str]) -> float | None:
    text = getattr(options, name)
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        problems.append(f"--{name.replace('_', '-')}={text}: {error}, as in 90s or 720h")
        return None
    return seconds


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
