"""What runs in the cluster besides the product: an image with busybox, and manifests of its pods."""

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

Document: TypeAlias = dict[str, Any]

IMAGE = "localhost/workload:dev"

_FOREVER = ("sleep", "2147483647")


def build_image(path: Path) -> Path:
    """Write an image with busybox alone as a docker-archive. Its pods sleep if not told otherwise.

    It is the pause image of the nodes, too.
    """
    layer = _busybox_layer()
    digest = hashlib.sha256(layer).hexdigest()
    configuration = {
        "architecture": _architecture(),
        "os": "linux",
        "config": {"Env": ["PATH=/bin"], "Cmd": list(_FOREVER)},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]
    with tarfile.open(path, "w") as archive:
        _add(archive, "layer.tar", layer)
        _add(archive, "config.json", json.dumps(configuration).encode())
        _add(archive, "manifest.json", json.dumps(manifest).encode())
    return path


def pod(
    name: str,
    *,
    node: str | None = None,
    labels: Mapping[str, str] | None = None,
    command: Sequence[str] = _FOREVER,
    **spec: object,
) -> Document:
    """Return a Pod, which ends at once when it is deleted; `spec` has more of its fields."""
    template = _pod_template(labels or {"app": name}, command, spec)
    if node is not None:
        template["spec"]["nodeName"] = node
    template["metadata"]["name"] = name
    return {"apiVersion": "v1", "kind": "Pod", **template}


def deployment(
    name: str,
    *,
    replicas: int,
    labels: Mapping[str, str] | None = None,
    command: Sequence[str] = _FOREVER,
    **spec: object,
) -> Document:
    """Return a Deployment, whose pods are spread evenly over the nodes."""
    labels = dict(labels or {"app": name})
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": labels},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": _pod_template(
                labels, command, {"topologySpreadConstraints": [spread], **spec}
            ),
        },
    }


def service(name: str, *, selector: Mapping[str, str] | None = None, port: int = 80) -> Document:
    """Return a Service."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": dict(selector or {"app": name}), "ports": [{"port": port}]},
    }


def _pod_template(
    labels: Mapping[str, str], command: Sequence[str], spec: Mapping[str, object]
) -> Document:
    container = {"name": "main", "image": IMAGE, "command": list(command)}
    return {
        "metadata": {"labels": dict(labels)},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [container], **spec},
    }


def _busybox_layer() -> bytes:
    busybox = Path(shutil.which("busybox") or "/bin/busybox")
    commands = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as layer:
        _add(layer, "bin/busybox", busybox.read_bytes(), mode=0o755)
        for command in commands.stdout.split():
            link = tarfile.TarInfo(f"bin/{command}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            if command != "busybox":
                layer.addfile(link)
    return content.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes, *, mode: int = 0o644) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    archive.addfile(member, io.BytesIO(content))


def _architecture() -> str:
    machine = subprocess.run(["uname", "-m"], capture_output=True, text=True, check=True)
    return {"x86_64": "amd64", "aarch64": "arm64"}[machine.stdout.strip()]
