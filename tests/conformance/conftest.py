"""One server behind one kube-apiserver for the whole run; a namespace and a door for each test."""

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import aiohttp
import pytest

from tests.cluster.cluster import Cluster, open_cluster
from tests.cluster.pki import new_authority
from tests.conformance.begun import collector, full, held_up, idling, pool, quiet, unread
from tests.conformance.client import Client
from tests.conformance.doors import DOORS, MASTERS, Door, Kubectl, open_doors
from tests.conformance.history import write_history
from tests.conformance.hooks import Hooks, open_hooks
from tests.conformance.results import Results
from tests.conformance.rights import Rights
from tests.conformance.server import Server, open_server, prepare, register
from tests.fakes.webhook import serving_webhooks
from tests.support.session import open_session

# Fixtures, too.
__all__ = ["collector", "full", "held_up", "idling", "pool", "quiet", "unread"]

NewNamespace: TypeAlias = Callable[..., Awaitable[str]]
AsUser: TypeAlias = Callable[..., Client]

_HERE = Path(__file__).parent
_TABLE = _HERE / "test_table.py"
_SECONDS = 180
_RESULTS = pytest.StashKey[Results]()
_MARKERS = (
    "check(*numbers): which of the numbered checks a test proves",
    "client(name, does): which program or library a test drives against the server, and how",
    "patient(*fixtures): looks late at what these session fixtures have begun early",
    "disruptive: takes the server away from its clients, and gives it back",
)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A control plane without nodes. Its logs stay in pytest's temporary directory."""
    with open_cluster(tmp_path_factory.mktemp("cluster"), nodes={}) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def server(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server, registered with kube-apiserver; some of its history is forgotten already."""
    directory = tmp_path_factory.mktemp("server")
    write_history(directory / "data")
    prepare(cluster)
    with open_server(cluster, directory, authority=new_authority("serving")) as server:
        register(cluster, server)
        yield server


@pytest.fixture(scope="session")
def ports() -> Iterator[int]:
    """Ports for more servers on the server's address, which nothing else on the machine has."""
    return count(8444)


@pytest.fixture(scope="session")
def doors(cluster: Cluster, server: Server) -> Mapping[str, Door]:
    """Both ways to the server, by name."""
    return open_doors(cluster, server, server.directory)


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest, doors: Mapping[str, Door]) -> Door:
    """One way to the server, and then the other: who takes this runs twice."""
    return doors[request.param]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Connections, closed after the test."""
    async with open_session() as opened:
        yield opened


@pytest.fixture
def as_user(session: aiohttp.ClientSession, door: Door) -> AsUser:
    """How to be a user at the door: `as_user("alice", "group", ...)`."""
    return lambda name, *groups: door.user(session, name, *groups)


@pytest.fixture
def admin(as_user: AsUser) -> Client:
    """An administrator at the door."""
    return as_user("admin", MASTERS)


@pytest.fixture
def kubernetes(session: aiohttp.ClientSession, doors: Mapping[str, Door]) -> Client:
    """An administrator at kube-apiserver, for what a test needs beside the captures."""
    return doors["aggregated"].user(session, "admin", MASTERS)


@pytest.fixture
def rights(kubernetes: Client) -> Rights:
    """Rights to give to users that no other test has."""
    return Rights(kubernetes)


@pytest.fixture
def user() -> str:
    """The name of a user without any rights, whom no other test has."""
    return f"user-{uuid4().hex[:8]}"


@pytest.fixture
def new_namespace(kubernetes: Client) -> NewNamespace:
    """How to make a namespace. None is deleted: the cluster will be."""

    async def make(name: str = "") -> str:
        name = name or f"t-{uuid4().hex[:8]}"
        made = await kubernetes.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        assert made.code == 201, made.body
        return name

    return make


@pytest.fixture
async def namespace(new_namespace: NewNamespace) -> str:
    """A namespace of this test alone."""
    return await new_namespace()


@pytest.fixture
def kubectl(door: Door, namespace: str) -> Kubectl:
    """kubectl of an administrator at the door, in the namespace."""
    return door.kubectl(door.kubeconfig("admin", MASTERS), namespace)


@pytest.fixture
async def hooks(admin: Client, kubernetes: Client, namespace: str) -> AsyncIterator[Hooks]:
    """Webhooks on this machine, for the namespace."""
    async with (
        serving_webhooks() as server,
        open_hooks(server, admin, kubernetes, namespace) as hooks,
    ):
        yield hooks


@pytest.fixture
def results(request: pytest.FixtureRequest) -> Results:
    """What the tests before this one have found."""
    return request.config.stash[_RESULTS]


@pytest.fixture(scope="session", autouse=True)
def _begin_early(request: pytest.FixtureRequest) -> None:
    """Begin what takes its time while the other tests run."""
    marks = [mark for item in request.session.items for mark in item.iter_markers("patient")]
    for name in sorted({name for mark in marks for name in mark.args}):
        request.getfixturevalue(name)


def pytest_configure(config: pytest.Config) -> None:
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    config.stash[_RESULTS] = Results()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give every test here the time that the cluster takes; what waits, or disturbs, comes late."""
    ours = [item for item in items if _HERE in item.path.parents]
    for item in ours:
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(_SECONDS))
    items.sort(key=lambda item: _HERE in item.path.parents and _lateness(item))
    files = set(_HERE.rglob("test_*.py"))
    config.stash[_RESULTS].is_whole = {item.path for item in ours} == files and not any(
        "::" in argument for argument in config.args
    )


def _lateness(item: pytest.Item) -> int:
    if item.path == _TABLE:
        return 3
    if item.get_closest_marker("disruptive"):
        return 2
    return 1 if item.get_closest_marker("patient") else 0


def pytest_deselected(items: list[pytest.Item]) -> None:
    for item in items[:1]:
        item.config.stash[_RESULTS].is_whole = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if _HERE in item.path.parents:
        item.config.stash[_RESULTS].note(item, passed=not report.failed)
    return report
