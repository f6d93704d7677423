"""One server behind one kube-apiserver for the whole run; a namespace and a door for each test."""

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import aiohttp
import pytest

from tests.cluster.cluster import Cluster, open_cluster
from tests.cluster.pki import new_authority
from tests.conformance.client import Client
from tests.conformance.doors import DOORS, MASTERS, Door, Kubectl, open_doors
from tests.conformance.early import hold_namespace_up, until_collected
from tests.conformance.history import write_history
from tests.conformance.idle import asking_after_idling
from tests.conformance.quiet import QuietWatches, listening_at
from tests.conformance.results import Results
from tests.conformance.rights import Rights
from tests.conformance.server import Server, open_server, prepare, register
from tests.conformance.unread import Unread, not_reading
from tests.support.session import open_session

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


@pytest.fixture(scope="session")
def idling(server: Server, cluster: Cluster) -> Iterator[Future[int]]:
    """What is answered on a connection on which nothing has happened for 95 s (check 9)."""
    pair = cluster.authorities.cluster.issue("somebody")
    with asking_after_idling(server, pair, seconds=95) as answered:
        yield answered


@pytest.fixture(scope="session")
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for what goes on beside the tests."""
    with ThreadPoolExecutor(thread_name_prefix="early") as pool:
        yield pool


@pytest.fixture(scope="session")
def collector(pool: ThreadPoolExecutor, cluster: Cluster, server: Server) -> Future[None]:
    """The garbage collector, when it has collected a capture (checks 70, 71)."""
    return pool.submit(until_collected, cluster)


@pytest.fixture(scope="session")
def held_up(pool: ThreadPoolExecutor, cluster: Cluster, server: Server) -> Future[dict[str, Any]]:
    """What a namespace said that was held up by a capture with a finalizer (check 73)."""
    return pool.submit(hold_namespace_up, cluster)


@pytest.fixture(scope="session")
def quiet(cluster: Cluster, doors: Mapping[str, Door]) -> Iterator[Mapping[str, QuietWatches]]:
    """Watches of namespaces where nothing happens, at each door (checks 82, 88)."""
    for namespace in ("quiet", *(f"slow-{name}" for name in doors)):
        cluster.kubectl("create", "namespace", namespace)
    with ExitStack() as stack:
        yield {name: stack.enter_context(listening_at(door)) for name, door in doors.items()}


@pytest.fixture(scope="session")
def unread(
    pool: ThreadPoolExecutor, cluster: Cluster, server: Server, doors: Mapping[str, Door]
) -> Iterator[Unread]:
    """Watchers that have not read what was written (check 85)."""
    cluster.kubectl("create", "namespace", "unread")
    with not_reading(server, doors["direct"], pool, "unread") as unread:
        yield unread


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
