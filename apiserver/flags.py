"""The command line of the API server: names, defaults, and what is said to people who ask for help.

Names are those of Kubernetes' API servers where they have one (apiserver-protocol 10.7). What flags
mean together is for `apiserver.config`.
"""

import argparse
from pathlib import Path
from typing import Final

from apiserver.registry.capping.caps import Allowance
from apiserver.server.limits import Bounds

# Given by the downward API to the pod that the server runs in.
NAMESPACE_VARIABLE = "POD_NAMESPACE"
POD_VARIABLE = "POD_NAME"

# The CA outlives the certificates that it signs: those are exchanged many times under one CA.
DEFAULT_CA_LIFETIME = "87600h"
DEFAULT_CERTIFICATE_LIFETIME = "720h"

# The name of the Service in the manifests.
DEFAULT_SERVICE_NAME = "packetcapture-apiserver"

# Flags that mean something in one place only; not given they are None.
IN_CLUSTER: Final = (
    *("kubeconfig", "namespace", "service_name", "take_over"),
    *("ca_lifetime", "certificate_lifetime"),
)
ALONE: Final = ("agent", "agent_ca_file", "agent_client_cert_file", "agent_client_key_file")


def build_parser() -> argparse.ArgumentParser:
    """Return what reads the command line. A flag that belongs to one place alone is None if not given."""
    parser = argparse.ArgumentParser(
        prog="python -m apiserver",
        description="Serve packetcaptures.projectcalico.org.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    # The name and default of Kubernetes' servers.
    any_address = "0.0.0.0"  # noqa: S104
    add(
        "--bind-address",
        default=any_address,
        help="to listen on; 0.0.0.0 or ::, any, of IPv4 and IPv6",
    )
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
    _add_bounds(parser)
    add("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    cluster = parser.add_argument_group("in a cluster").add_argument
    cluster("--kubeconfig", type=Path, help="how to reach kube-apiserver; the pod's own without")
    cluster("--namespace", help=f"of this server; ${NAMESPACE_VARIABLE} without")
    cluster("--service-name", help=f"of this server's Service, {DEFAULT_SERVICE_NAME} without")
    cluster("--take-over", action="store_true", default=None, help="the API group, from its owner")
    cluster("--ca-lifetime", help=f"of the CA made here, {DEFAULT_CA_LIFETIME} without")
    cluster("--certificate-lifetime", help=f"signed by it, {DEFAULT_CERTIFICATE_LIFETIME} without")
    alone = parser.add_argument_group("without a cluster").add_argument
    alone("--standalone", action="store_true", help="there is no cluster: all comes from files")
    alone("--agent", action="append", metavar="NODE=HOST:PORT", help="a node's agent")
    alone("--agent-ca-file", type=Path, help="CA of the agents' certificates")
    alone("--agent-client-cert-file", type=Path, help="certificate to show to the agents")
    alone("--agent-client-key-file", type=Path, help="its key")
    return parser


def _add_bounds(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("limits; 0: none").add_argument
    default, allowance = Bounds(), Allowance()
    for flag, number, what in (
        ("--max-requests-inflight", default.read_only, "requests at once that only read"),
        ("--max-mutating-requests-inflight", default.mutating, "requests at once that write"),
        ("--max-watches", default.watches, "watches at once"),
        ("--max-watches-per-user", default.watches_per_user, "watches of one user, or pod"),
        ("--max-captures", allowance.captures, "captures that are not over"),
        (
            "--max-captures-per-namespace",
            allowance.captures_per_namespace,
            "of them in one namespace",
        ),
        ("--max-endpoints-per-capture", allowance.endpoints_per_capture, "pods that one selects"),
    ):
        add(flag, type=int, default=number, help=f"{what}, {number} without")
