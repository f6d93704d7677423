"""What each verb costs the server, beside the same verb on the same schema as a CRD.

Both are asked directly, over TLS and HTTP/1.1, by the same clients: ours is one process with its
embedded store, the other is kube-apiserver with etcd. The figure is processor time (user + system)
of all processes of a side, less what they take when nobody asks.
"""

import asyncio
import contextlib
import os
import ssl
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiohttp
import orjson

from apiserver.jsontypes import JsonObject
from apiserver.serving.tls import PemPair, client_tls
from tests.cluster.cluster import Cluster, open_cluster
from tests.cluster.pki import new_authority
from tests.conformance.server import open_server, prepare, register
from tests.conformance.sidebyside.mirror import MIRROR_GROUP, definition

OBJECTS = 2_000
REQUESTS = 1_000
LISTS = 5
CLIENTS = 16
WATCHERS = 1_000
EVENTS = 10
IDLE_SECONDS = 5.0

_NAMESPACE = "bench"
_TICKS = os.sysconf("SC_CLK_TCK")
_NO_TIMEOUT = aiohttp.ClientTimeout(None)
_MERGE = "application/merge-patch+json"
_APPLY = "application/apply-patch+yaml"


@dataclass(slots=True)
class Side:
    """One of the two servers: its processes, and the collection that is asked for."""

    name: str
    pids: tuple[int, ...]
    url: str
    group: str
    tls: ssl.SSLContext
    session: aiohttp.ClientSession
    idle: float = 0.0
    milliseconds: dict[str, float] = field(default_factory=dict)

    @property
    def collection(self) -> str:
        """The URL of the collection."""
        return f"{self.url}/apis/{self.group}/v3/namespaces/{_NAMESPACE}/packetcaptures"

    def processor_seconds(self) -> float:
        """Return what the processes, and children that have ended, took so far."""
        return sum(_processor_seconds(pid) for pid in self.pids)

    async def ask(
        self, method: str, path: str = "", body: object = None, kind: str = "application/json"
    ) -> bytes:
        """Send a request that must succeed."""
        data = orjson.dumps(body) if body is not None else None
        headers = {"Content-Type": kind} if data else {}
        async with self.session.request(
            method, self.collection + path, data=data, headers=headers, ssl=self.tls
        ) as response:
            answer = await response.read()
            assert response.status < 300, (self.name, method, path, answer[:500])
            return answer

    async def measure(self, what: str, count: int, work: Callable[[], Awaitable[object]]) -> None:
        """Note the processor time of some work, in milliseconds for each of `count` parts."""
        began, before = time.monotonic(), self.processor_seconds()
        await work()
        spent = self.processor_seconds() - before
        spent -= self.idle * (time.monotonic() - began)
        self.milliseconds[what] = 1000 * spent / count


def _processor_seconds(pid: int) -> float:
    # user, system, and both of children that were waited for (proc(5)).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS


def capture(name: str, group: str) -> JsonObject:
    """Return an object as people write them."""
    return {
        "apiVersion": f"{group}/v3",
        "kind": "PacketCapture",
        "metadata": {"name": name, "labels": {"app": "web", "tier": "front", "team": "payments"}},
        "spec": {
            "selector": "app == 'web' && tier in {'front', 'edge'}",
            "filters": [{"protocol": "TCP", "ports": [80, 443, "8000:8080"]}],
            "startTime": "2026-01-02T03:04:05Z",
        },
    }


def status(count: int) -> JsonObject:
    """Return a status as agents report it."""
    node: JsonObject = {
        "node": "node-a",
        "directory": "/var/log/calico/pcap/bench/capture",
        "state": "Capturing",
        "fileNames": ["pod-1_cali1.pcap", "pod-2_cali2.pcap"],
    }
    return {"status": {"files": [node], "packets": count}}


async def many(count: int, work: Callable[[int], Awaitable[object]]) -> None:
    """Do something so many times, a few at a time."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await work(number)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(CLIENTS):
            tasks.create_task(worker())


async def run_verbs(side: Side) -> None:
    """Measure one verb after the other."""
    name = "capture-{:05}".format

    def patch(
        kind: str, body: Callable[[int], JsonObject], path: str = ""
    ) -> Callable[[int], Awaitable[bytes]]:
        return lambda i: side.ask("PATCH", f"/{name(i)}{path}", body(i), kind)

    def label(i: int) -> JsonObject:
        return {"metadata": {"labels": {"round": str(i)}}}

    def applied(i: int) -> JsonObject:
        return {**capture(name(i), side.group), "spec": {"selector": f"app == 'web-{i}'"}}

    async def update(i: int) -> None:
        document = orjson.loads(await side.ask("GET", f"/{name(i)}"))
        document["spec"]["endTime"] = "2036-01-02T03:04:05Z"
        await side.ask("PUT", f"/{name(i)}", document)

    verbs: dict[str, tuple[int, Callable[[int], Awaitable[object]]]] = {
        "create": (OBJECTS, lambda i: side.ask("POST", "", capture(name(i), side.group))),
        "get": (REQUESTS, lambda i: side.ask("GET", f"/{name(i)}")),
        "merge patch of metadata": (REQUESTS, patch(_MERGE, label)),
        "merge patch of status": (REQUESTS, patch(_MERGE, status, "/status")),
        "get and update": (REQUESTS, update),
        "apply": (
            REQUESTS,
            patch(_APPLY, applied, "?fieldManager=bench&force=true"),
        ),
        "list of all, consistent": (LISTS, lambda _: side.ask("GET")),
        "list of all, resourceVersion=0": (LISTS, lambda _: side.ask("GET", "?resourceVersion=0")),
        "list, limit=500": (LISTS, lambda _: side.ask("GET", "?limit=500")),
    }
    for what, (count, work) in verbs.items():
        await side.measure(what, count, partial(many, count, work))
        print(f"  {side.name}: {what}: {side.milliseconds[what]:.2f} ms", flush=True)
    await run_watches(side)
    await side.measure(
        "delete", REQUESTS, lambda: many(REQUESTS, lambda i: side.ask("DELETE", f"/{name(i)}"))
    )


async def run_watches(side: Side) -> None:
    """Measure the delivery of an event to one watcher of many."""
    seen = asyncio.Semaphore(0)
    ready = asyncio.Semaphore(0)

    async def watch() -> None:
        url = f"{side.collection}?watch=true&fieldSelector=metadata.name%3Dcapture-00000"
        async with side.session.get(url, ssl=side.tls, timeout=_NO_TIMEOUT) as response:
            assert response.status == 200, await response.text()
            await response.content.readline()
            ready.release()
            async for _ in response.content:
                seen.release()

    async def events() -> None:
        for number in range(EVENTS):
            body = {"metadata": {"annotations": {"event": str(number)}}}
            await side.ask("PATCH", "/capture-00000", body, _MERGE)
            for _ in range(WATCHERS):
                await seen.acquire()

    async with asyncio.TaskGroup() as tasks:
        watchers = [tasks.create_task(watch()) for _ in range(WATCHERS)]
        for _ in range(WATCHERS):
            await ready.acquire()
        await side.measure("event to one of 1,000 watchers", EVENTS * WATCHERS, events)
        for each in watchers:
            each.cancel()


async def run(sides: list[Side]) -> None:
    """Measure both sides, one after the other, idle time first."""
    for side in sides:
        began = side.processor_seconds()
        await asyncio.sleep(IDLE_SECONDS)
        side.idle = (side.processor_seconds() - began) / IDLE_SECONDS
        await run_verbs(side)


@contextlib.asynccontextmanager
async def _session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


def report(ours: Side, theirs: Side) -> bool:
    """Print the table; tell whether no verb costs more than on the other side."""
    print(f"{'processor time of the server':40} {'ours':>10} {'CRD':>10} {'ratio':>7}")
    met = True
    for what, mine in ours.milliseconds.items():
        other = theirs.milliseconds[what]
        met = met and mine <= other
        print(f"{what:40} {mine:7.3f} ms {other:7.3f} ms {mine / other:7.2f}")
    return met


@contextlib.contextmanager
def _servers() -> Iterator[tuple[Cluster, tuple[int, str]]]:
    with (
        tempfile.TemporaryDirectory() as directory,
        open_cluster(Path(directory) / "cluster", nodes={}) as cluster,
    ):
        prepare(cluster)
        data = Path(directory) / "server"
        data.mkdir()
        flags = (f"--max-watches-per-user={2 * WATCHERS}",)
        with open_server(cluster, data, *flags, authority=new_authority("serving")) as server:
            register(cluster, server)
            cluster.apply(definition())
            cluster.wait("condition=Established", f"crd/packetcaptures.{MIRROR_GROUP}")
            cluster.kubectl("create", "namespace", _NAMESPACE)
            yield cluster, (server.process.pid, server.url)


async def _measure(cluster: Cluster, server: tuple[int, str]) -> bool:
    issued = cluster.authorities.cluster.issue("admin", organizations=["system:masters"])
    shown = PemPair(issued.certificate, issued.key)
    pid, url = server
    plain = client_tls(shown, cluster.authorities.cluster.certificate)
    own = client_tls(shown, cluster.authorities.cluster.certificate)
    own.check_hostname, own.verify_mode = False, ssl.CERT_NONE
    plane = cluster.control_plane
    async with _session() as mine, _session() as other:
        ours = Side("ours", (pid,), url, "projectcalico.org", own, mine)
        pids = (plane.kube_apiserver.pid, plane.etcd.pid)
        theirs = Side("CRD", pids, cluster.server, MIRROR_GROUP, plain, other)
        await run([ours, theirs])
    return report(ours, theirs)


def main() -> int:
    """Measure; the exit status says whether the target was met."""
    with _servers() as (cluster, server):
        return 0 if asyncio.run(_measure(cluster, server)) else 1


if __name__ == "__main__":
    sys.exit(main())
