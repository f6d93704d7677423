"""A CA of our own, certificates for each of the two programs and for the admin, and kubeconfigs.

Made anew at each start: nobody but these processes and this kubeconfig has to know them.
"""

import os
from datetime import datetime, timedelta
from pathlib import Path

import yaml

from apiserver.agentapi.names import NODES_GROUP, SERVER_COMMON_NAME, agent_dns_name, node_user
from apiserver.jsontypes import JsonObject
from apiserver.pki import Identity, issue, new_authority
from apiserver.serving.tls import PemPair, TLSFiles
from apiserver.standalone.layout import Layout

LIFETIME = timedelta(days=365)
CONTEXT = "packetcapture"


def write_credentials(layout: Layout, *, node: str, server_url: str, now: datetime) -> None:
    """Write all certificates, keys and kubeconfigs of an installation. Raises OSError."""
    authority = new_authority("packetcapture standalone CA", now=now, lifetime=LIFETIME)
    _write_pair(layout.authority, authority)
    for files, identity in _identities(layout, node).items():
        _write_pair(files, issue(authority, identity, now=now, lifetime=LIFETIME))
    for path, files in (
        (layout.admin_kubeconfig, layout.admin),
        (layout.agent_kubeconfig, layout.agent),
    ):
        config = _kubeconfig(server_url, authority=layout.authority.certificate, client=files)
        write_private(path, yaml.safe_dump(config, sort_keys=False).encode())


def _identities(layout: Layout, node: str) -> dict[TLSFiles, Identity]:
    return {
        layout.server: Identity(
            "packetcapture-apiserver",
            dns_names=("localhost",),
            addresses=("127.0.0.1", "::1"),
        ),
        layout.server_as_client: Identity(SERVER_COMMON_NAME),
        layout.agent: Identity(
            node_user(node),
            organizations=(NODES_GROUP,),
            dns_names=(agent_dns_name(node),),
        ),
        layout.admin: Identity("admin", organizations=("system:masters",)),
    }


def _kubeconfig(server_url: str, *, authority: Path, client: TLSFiles) -> JsonObject:
    cluster: JsonObject = {"server": server_url, "certificate-authority": str(authority.resolve())}
    user: JsonObject = {
        "client-certificate": str(client.certificate.resolve()),
        "client-key": str(client.key.resolve()),
    }
    context: JsonObject = {"cluster": CONTEXT, "user": CONTEXT, "namespace": "default"}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CONTEXT, "cluster": cluster}],
        "users": [{"name": CONTEXT, "user": user}],
        "contexts": [{"name": CONTEXT, "context": context}],
        "current-context": CONTEXT,
    }


def _write_pair(files: TLSFiles, pair: PemPair) -> None:
    write_private(files.certificate, pair.certificate)
    write_private(files.key, pair.key)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that its owner alone may read. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
