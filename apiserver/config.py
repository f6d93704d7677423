"""Flags of the API server, as one frozen value; all that is wrong with them is said at once.

Flags keep the names of Kubernetes' API servers (apiserver-protocol 10.7).
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from apiserver.agents.directory import AgentAddress
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
class Config:
    """Everything that the API server is told at its start."""

    bind_address: str
    secure_port: int
    tls: TLSFiles
    client_ca_file: Path | None
    request_header: RequestHeaderConfig | None
    data_dir: Path
    agents: AgentsConfig | None
    shutdown_seconds: float
    log_level: str


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m apiserver",
        description="Serve packetcaptures.projectcalico.org.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--bind-address", default="0.0.0.0", help="address to listen on")  # noqa: S104 - the name and default of Kubernetes' servers
    add("--secure-port", type=int, default=443, help="port to listen on, with TLS; 0: any")
    add("--tls-cert-file", type=Path, required=True, help="serving certificate and chain, PEM")
    add("--tls-private-key-file", type=Path, required=True, help="its key, PEM")
    add("--client-ca-file", type=Path, help="CA of client certificates (CN: user, O: groups)")
    add("--requestheader-client-ca-file", type=Path, help="CA of the front proxy's certificate")
    add("--requestheader-allowed-names", default="", help="its names, with commas; empty: any")
    add("--requestheader-username-headers", default="X-Remote-User")
    add("--requestheader-uid-headers", default="X-Remote-Uid")
    add("--requestheader-group-headers", default="X-Remote-Group")
    add("--requestheader-extra-headers-prefix", default="X-Remote-Extra-")
    add("--data-dir", type=Path, required=True, help="directory of the embedded store")
    add("--agent", action="append", default=[], metavar="NODE=HOST:PORT", help="a node's agent")
    add("--agent-ca-file", type=Path, help="CA of the agents' certificates")
    add("--agent-client-cert-file", type=Path, help="certificate to show to the agents")
    add("--agent-client-key-file", type=Path, help="its key")
    add("--shutdown-seconds", type=float, default=10.0, help="time for requests to finish")
    add("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    return parser


def parse_config(arguments: list[str]) -> Config:
    """Read the command line. Raises ConfigError; argparse itself exits on what it cannot read."""
    options = _parser().parse_args(arguments)
    problems: list[str] = []
    agents = _agents(options, problems)
    if not options.client_ca_file and not options.requestheader_client_ca_file:
        problems.append(
            "one of --client-ca-file and --requestheader-client-ca-file is needed: "
            "without either nobody can be authenticated"
        )
    if problems:
        raise ConfigError(tuple(problems))
    return Config(
        bind_address=options.bind_address,
        secure_port=options.secure_port,
        tls=TLSFiles(options.tls_cert_file, options.tls_private_key_file),
        client_ca_file=options.client_ca_file,
        request_header=_request_header(options),
        data_dir=options.data_dir,
        agents=agents,
        shutdown_seconds=options.shutdown_seconds,
        log_level=options.log_level,
    )


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
