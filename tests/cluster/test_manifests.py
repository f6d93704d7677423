"""The manifests as a kube-apiserver sees them."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.cluster.install import MANIFESTS

pytestmark = pytest.mark.timeout(180)

TREES = (Path(), Path("overlays/tap-pod"))


@pytest.fixture(scope="module")
def installable(cluster):
    """The cluster with the one thing that a dry run cannot do without: the namespace itself."""
    cluster.kubectl("apply", "-f", str(MANIFESTS / "base/namespace.yaml"))
    return cluster


@pytest.mark.parametrize("tree", TREES, ids=["default", "tap-pod"])
def test_every_field_is_known_and_every_object_admitted(installable, tree):
    applied = installable.kubectl(
        "apply", "--dry-run=server", "--validate=strict", "-k", str(MANIFESTS / tree)
    )

    # Of pod security, or of a field that is going away.
    assert "Warning" not in applied.stderr


def test_a_static_apiservice_is_admitted(installable):
    file = MANIFESTS / "components/static-apiservice/apiservice.yaml"

    applied = installable.kubectl(
        "apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", str(file)
    )

    assert "Warning" not in applied.stderr


def test_the_servers_pod_is_admitted_where_only_restricted_ones_are(cluster, namespace):
    cluster.kubectl(
        "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted"
    )
    pod = _pod_of(cluster, "Deployment") | {"serviceAccountName": "default"}

    created = _dry_run(cluster, namespace, pod)

    assert created.returncode == 0, created.stderr


def test_the_agents_pod_is_not_privileged_but_needs_the_level_of_that_name(cluster, namespace):
    cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=baseline")
    pod = _pod_of(cluster, "DaemonSet") | {"serviceAccountName": "default"}

    created = _dry_run(cluster, namespace, pod)

    assert "hostNetwork=true, hostPID=true" in created.stderr
    assert "privileged (" not in created.stderr


def _pod_of(cluster, kind):
    rendered = cluster.kubectl("kustomize", str(MANIFESTS)).stdout
    (workload,) = (each for each in yaml.safe_load_all(rendered) if each["kind"] == kind)
    return workload["spec"]["template"]["spec"]


def _dry_run(cluster, namespace, spec) -> subprocess.CompletedProcess[str]:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tried"}, "spec": spec}
    created: subprocess.CompletedProcess[str] = cluster.kubectl(
        "create",
        "--dry-run=server",
        f"--namespace={namespace}",
        "-f-",
        input=json.dumps(pod),
        check=False,
    )
    return created
