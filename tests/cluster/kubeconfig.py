"""A kubeconfig file with everything in it (JSON is YAML too)."""

import base64
import json
from pathlib import Path

from tests.cluster.pki import Pair


def write_kubeconfig(path: Path, *, server: str, authority: bytes, client: Pair) -> Path:
    """Write how `client` reaches `server` (a URL), whose certificate is `authority`'s (PEM)."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "cluster",
        "contexts": [{"name": "cluster", "context": {"cluster": "cluster", "user": "user"}}],
        "clusters": [
            {
                "name": "cluster",
                "cluster": {"server": server, "certificate-authority-data": _base64(authority)},
            }
        ],
        "users": [
            {
                "name": "user",
                "user": {
                    "client-certificate-data": _base64(client.certificate),
                    "client-key-data": _base64(client.key),
                },
            }
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2))
    return path


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
