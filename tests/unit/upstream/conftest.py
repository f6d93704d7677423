"""A Kubernetes API that answers as it is told, and a client of it."""

import pytest

from apiserver.upstream.client import open_client
from tests.fakes.kubernetes_api import KubernetesAPI, serving, write_kubeconfig


@pytest.fixture
async def api():
    async with serving(KubernetesAPI()) as running:
        yield running


@pytest.fixture
async def client(api, tmp_path):
    async with open_client(write_kubeconfig(tmp_path / "config", api.url)) as opened:
        yield opened
