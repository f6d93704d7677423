"""Flags of the node agent, as one frozen value; all that is wrong with them is said at once.

With `--workloads` it is standalone: everything comes from files. Without, it is in a cluster: pods,
certificates and CAs come from the API, as the ServiceAccount of its pod unless `--kubeconfig` is given.
"""

import argparse
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from apiserver.serving.tls import TLSFiles
from nodeagent.bounds import Bounds, add_bounds, bounds_problems, read_bounds
from nodeagent.discovery.calico import DEFAULT_PREFIX
from nodeagent.discovery.pods import TapSide
from nodeagent.felix import FelixParameters

DEFAULT_CAPTURE_DIR: Final = "/var/log/calico/pcap"
# What the manifests set from the downward API.
NODE_VARIABLE: Final = "NODE_NAME"
NAMESPACE_VARIABLE: Final = "POD_NAMESPACE"
DEFAULT_CGROUP_ROOT: Final = Path("/sys/fs/cgroup")
MAX_PORT: Final = 65535
DEFAULT_MAX_ENDPOINTS: Final = 500

_STANDALONE_NEEDS: Final = (
    "kubeconfig",
    "tls_cert_file",
    "tls_private_key_file",
    "client_ca_file",
)
_STANDALONE_ONLY: Final = ("tls_cert_file", "tls_private_key_file", "client_ca_file")
_CLUSTER_ONLY: Final = ("namespace", "cgroup_root", "tap")


class Output(StrEnum):
    """How a dry run shows what it has found."""

    TABLE = "table"
    JSON = "json"


class ConfigError(Exception):
    """Flags that cannot work; `problems` names each of them."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Standalone:
    """Everything from files."""

    kubeconfig: Path
    workloads: Path
    tls: TLSFiles
    client_ca_file: Path


@dataclass(frozen=True, slots=True)
class InCluster:
    """Everything from the API; without `kubeconfig` as the ServiceAccount of this pod."""

    kubeconfig: Path | None
    namespace: str
    cgroup_root: Path
    tap: TapSide
    interface_prefix: str


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that the agent is told at its start; `healthz_port` 0 means none.

    `max_endpoints` is how many of one capture may run here, 0 for any number. With `dry_run` endpoints
    are shown, as `output` says, and nothing else is done. `warnings` say which of Felix's parameters
    could not be taken.
    """

    node_name: str
    mode: Standalone | InCluster
    capture_dir: Path
    bind_address: str
    secure_port: int
    healthz_bind_address: str
    healthz_port: int
    max_endpoints: int
    log_level: str
    dry_run: bool
    output: Output
    bounds: Bounds
    warnings: tuple[str, ...]

    @property
    def cgroup_root(self) -> Path:
        """Where the node's cgroups are mounted."""
        mode = self.mode
        return mode.cgroup_root if isinstance(mode, InCluster) else DEFAULT_CGROUP_ROOT


def _parser(capture_dir: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m nodeagent",
        description="Capture the packets of this node's selected pods.",
        epilog="`captured-packets --help` tells of the command for files of captures on this node.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--node-name", help=f"name of this node; default: ${NODE_VARIABLE}")
    add("--kubeconfig", type=Path, help="how to reach the API; default: as this pod")
    add("--capture-dir", default=capture_dir, help=f"where captures are; default: {capture_dir}")
    add("--bind-address", default="0.0.0.0", help="address to serve files on")  # noqa: S104 - the name and default of Kubernetes' servers
    add("--secure-port", type=int, default=8443, help="port to serve files on, with TLS")
    add("--healthz-bind-address", default="127.0.0.1", help="address to answer probes on")
    add("--healthz-port", type=int, default=0, help="port to answer probes on; 0: none")
    add(
        "--max-endpoints-per-capture",
        type=int,
        default=DEFAULT_MAX_ENDPOINTS,
        help="of one capture, how many are captured on this node at a time; 0: any number",
    )
    add_bounds(parser)
    add("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    add("--dry-run", action="store_true", help="show the endpoints of this node, and end")
    add("-o", "--output", type=Output, choices=list(Output), help="of a dry run; default: table")
    cluster = parser.add_argument_group("in a cluster").add_argument
    cluster("--namespace", help=f"of this installation; default: ${NAMESPACE_VARIABLE}")
    cluster("--cgroup-root", type=Path, help=f"default: {DEFAULT_CGROUP_ROOT}")
    cluster("--tap", type=TapSide, choices=list(TapSide), help="end of a pod's link to capture at")
    alone = parser.add_argument_group("standalone").add_argument
    alone("--workloads", type=Path, help="file of WorkloadEndpoint objects")
    alone("--tls-cert-file", type=Path, help="certificate, PEM")
    alone("--tls-private-key-file", type=Path, help="its key, PEM")
    alone("--client-ca-file", type=Path, help="CA of the API server's certificate")
    return parser


def parse_config(arguments: list[str], environment: Mapping[str, str] = os.environ) -> Config:
    """Read the command line, the downward API's variables and Felix's.

    Raises ConfigError; argparse itself exits on what it cannot read.
    """
    felix = FelixParameters(environment)
    options = _parser(felix.text("CaptureDir", DEFAULT_CAPTURE_DIR)).parse_args(arguments)
    node = options.node_name or environment.get(NODE_VARIABLE, "")
    namespace = options.namespace or environment.get(NAMESPACE_VARIABLE, "")
    prefix = felix.text("InterfacePrefix", DEFAULT_PREFIX)
    alone = options.workloads is not None
    problems = [*_common_problems(options, node), *bounds_problems(options)]
    problems += _standalone_problems(options) if alone else _cluster_problems(options, namespace)
    if problems:
        raise ConfigError(tuple(problems))
    bounds = read_bounds(options, felix)
    return Config(
        node_name=node,
        mode=_alone(options) if alone else _in_cluster(options, namespace, prefix),
        capture_dir=Path(options.capture_dir).absolute(),
        bind_address=options.bind_address,
        secure_port=options.secure_port,
        healthz_bind_address=options.healthz_bind_address,
        healthz_port=options.healthz_port,
        max_endpoints=options.max_endpoints_per_capture,
        log_level=options.log_level,
        dry_run=options.dry_run,
        output=options.output or Output.TABLE,
        bounds=bounds,
        warnings=tuple(felix.warnings),
    )


def _in_cluster(options: argparse.Namespace, namespace: str, prefix: str) -> InCluster:
    return InCluster(
        kubeconfig=options.kubeconfig,
        namespace=namespace,
        cgroup_root=options.cgroup_root or DEFAULT_CGROUP_ROOT,
        tap=options.tap or TapSide.HOST,
        interface_prefix=prefix,
    )


def _alone(options: argparse.Namespace) -> Standalone:
    return Standalone(
        kubeconfig=options.kubeconfig,
        workloads=options.workloads,
        tls=TLSFiles(options.tls_cert_file, options.tls_private_key_file),
        client_ca_file=options.client_ca_file,
    )


def _common_problems(options: argparse.Namespace, node: str) -> Iterator[str]:
    if not node:
        yield f"--node-name, or the environment variable {NODE_VARIABLE}, is needed"
    if not options.capture_dir:
        yield "--capture-dir must not be empty"
    for name in ("bind_address", "healthz_bind_address"):
        if not _is_address(text := getattr(options, name)):
            yield f"{_flag(name)}={text}: must be an IP address"
    for name in ("secure_port", "healthz_port"):
        if not 0 <= getattr(options, name) <= MAX_PORT:
            yield f"{_flag(name)} must be a number from 0 to {MAX_PORT}"
    if options.max_endpoints_per_capture < 0:
        yield "--max-endpoints-per-capture must be a number from 0 on"
    if options.output is not None and not options.dry_run:
        yield "--output is that of --dry-run"
    if options.secure_port == options.healthz_port != 0:
        yield "--secure-port and --healthz-port must not be the same"


def _cluster_problems(options: argparse.Namespace, namespace: str) -> Iterator[str]:
    if not namespace:
        yield f"--namespace, or the environment variable {NAMESPACE_VARIABLE}, is needed"
    for name in _given(options, _STANDALONE_ONLY):
        yield f"{_flag(name)} works with --workloads only: in a cluster it comes from the API"


def _standalone_problems(options: argparse.Namespace) -> Iterator[str]:
    # A dry run talks to nobody.
    for name in () if options.dry_run else _STANDALONE_NEEDS:
        if getattr(options, name) is None:
            yield f"--workloads needs {_flag(name)}"
    for name in _given(options, _CLUSTER_ONLY):
        yield f"{_flag(name)} does not go with --workloads: it is for a cluster"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _given(options: argparse.Namespace, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if getattr(options, name) is not None]


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
