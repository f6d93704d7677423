"""Flags of the node agent, as one frozen value; all that is wrong with them is said at once."""

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from apiserver.serving.tls import TLSFiles

# Felix's name and default for where captures lie (calico-semantics 6.2); names of environment
# variables are compared without case, the prefix included.
CAPTURE_DIR_VARIABLE = "FELIX_CAPTUREDIR"
DEFAULT_CAPTURE_DIR = "/var/log/calico/pcap"


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that the agent is told at its start."""

    node_name: str
    kubeconfig: Path
    workloads: Path
    capture_dir: Path
    bind_address: str
    secure_port: int
    tls: TLSFiles
    client_ca_file: Path
    log_level: str


def _parser(capture_dir: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m nodeagent",
        description="Capture the packets of this node's selected pods.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--node-name", required=True, help="name of this node")
    add("--kubeconfig", type=Path, required=True, help="how to reach the API server")
    add("--workloads", type=Path, required=True, help="file of WorkloadEndpoint objects")
    add("--capture-dir", type=Path, default=Path(capture_dir), help="where captures are written")
    add("--bind-address", default="0.0.0.0", help="address to serve files on")  # noqa: S104 - the name and default of Kubernetes' servers
    add("--secure-port", type=int, default=8443, help="port to serve files on, with TLS")
    add("--tls-cert-file", type=Path, required=True, help="certificate, PEM")
    add("--tls-private-key-file", type=Path, required=True, help="its key, PEM")
    add("--client-ca-file", type=Path, required=True, help="CA of the API server's certificate")
    add("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    return parser


def parse_config(arguments: list[str], environment: Mapping[str, str] = os.environ) -> Config:
    """Read the command line and Felix's variables; argparse exits on what it cannot read."""
    felix = {name.upper(): value for name, value in environment.items()}
    options = _parser(felix.get(CAPTURE_DIR_VARIABLE) or DEFAULT_CAPTURE_DIR).parse_args(arguments)
    return Config(
        node_name=options.node_name,
        kubeconfig=options.kubeconfig,
        workloads=options.workloads,
        capture_dir=options.capture_dir.absolute(),
        bind_address=options.bind_address,
        secure_port=options.secure_port,
        tls=TLSFiles(options.tls_cert_file, options.tls_private_key_file),
        client_ca_file=options.client_ca_file,
        log_level=options.log_level,
    )
