"""One cluster for the whole test run, and a namespace in it for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster, open_cluster
from tests.cluster.install import install, prepare

_SECONDS = 300


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster, without the product. Its logs stay in pytest's temporary directory."""
    with open_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def product(cluster: Cluster) -> Cluster:
    """The same cluster with the product installed."""
    prepare(cluster)
    install(cluster)
    return cluster


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Another cluster with the product, for those tests that break, remove or reconfigure it."""
    with open_cluster(tmp_path_factory.mktemp("workshop")) as cluster:
        prepare(cluster)
        install(cluster)
        yield cluster


@pytest.fixture
def installed(workshop: Cluster) -> Iterator[Cluster]:
    """The product to do anything to: it is applied again afterwards."""
    yield workshop
    install(workshop)


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace whose pods can be created; its deletion is only asked for, afterwards."""
    with cluster.namespace() as name:
        yield name


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test here the time that the first one needs for the cluster and the image."""
    for item in items:
        if Path(__file__).parent in item.path.parents and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(_SECONDS))
