"""Programs and libraries that people use with Kubernetes, none of them changed for us."""

from pathlib import Path

import pytest

from tests.conformance.clients.kubectl import Kubectl
from tests.conformance.doors import MASTERS, Door


@pytest.fixture
def kubeconfig(door: Door) -> Path:
    """How an administrator gets in at the door."""
    return door.kubeconfig("admin", MASTERS)


@pytest.fixture
def aged(kubeconfig: Path, namespace: str, door: Door, age: int) -> Kubectl:
    """kubectl of the test's age. All of one age at one door share what they know of resources."""
    return Kubectl(age, kubeconfig, namespace, door.directory / f"kubectl-1.{age}")
