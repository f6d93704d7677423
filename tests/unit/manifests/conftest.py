"""The manifests as kubectl's kustomize renders them."""

import subprocess
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

Document: TypeAlias = dict[str, Any]

ROOT = Path(__file__).parents[3]
MANIFESTS = ROOT / "manifests"


@cache
def render(tree: Path) -> tuple[Document, ...]:
    """Return the documents of a kustomization."""
    kubectl = ROOT / ".tools/bin/kubectl"
    done = subprocess.run(
        (kubectl, "kustomize", tree), check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    # A warning tells of a field that kustomize will drop one day.
    assert not done.stderr, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


class Rendered:
    """What a tree installs, by kind and name."""

    def __init__(self, documents: tuple[Document, ...]) -> None:
        self.documents = documents

    def get(self, kind: str, name: str) -> Document:
        """Return the one object of this kind and name."""
        (found,) = (each for each in self.of(kind) if each["metadata"]["name"] == name)
        return found

    def of(self, *kinds: str) -> list[Document]:
        """Return the objects of some kinds."""
        return [each for each in self.documents if each["kind"] in kinds]

    def pod(self, kind: str, name: str) -> Document:
        """Return the pod's spec in a workload."""
        spec: Document = self.get(kind, name)["spec"]["template"]["spec"]
        return spec

    def rules_for(self, account: str) -> list[Document]:
        """Return every rule of ours that is bound to a ServiceAccount."""
        roles = {
            (each["kind"], each["metadata"]["name"]): each
            for each in self.of("ClusterRole", "Role")
        }
        references = [
            (each["roleRef"]["kind"], each["roleRef"]["name"])
            for each in self.of("ClusterRoleBinding", "RoleBinding")
            if any(subject["name"] == account for subject in each["subjects"])
        ]
        return [rule for key in references if key in roles for rule in roles[key]["rules"]]


@pytest.fixture
def installed():
    return Rendered(render(MANIFESTS))


@pytest.fixture
def installed_with_tap_pod():
    return Rendered(render(MANIFESTS / "overlays/tap-pod"))


@pytest.fixture
def installed_with(tmp_path):
    """The base and one component, as a kustomization of somebody's own has them."""

    def install(component: str) -> Rendered:
        # kustomize takes no absolute paths; the way up from a temporary directory is long but fine.
        up = Path(*[".."] * (len(tmp_path.resolve().parts) - 1))
        manifests = up / MANIFESTS.relative_to("/")
        own = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [str(manifests / "base")],
            "components": [str(manifests / "components" / component)],
        }
        (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(own))
        return Rendered(render(tmp_path))

    return install
