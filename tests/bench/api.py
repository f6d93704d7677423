"""What each verb costs the server, beside the same verb on the same schema as a CRD.

    python -m tests.bench.api

Both are asked directly, over TLS and HTTP/1.1, by the same clients, in turns: ours is one process
with its embedded store, the other is kube-apiserver with etcd. The figure is processor time (user
and system) of all processes of a side, less what they take when nobody asks: the median of rounds.
What kube-apiserver takes to pass on a request for ours is not in it.
"""

import asyncio
import contextlib
import io
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeAlias

import aiohttp
import orjson

from apiserver.jsontypes import JsonObject
from apiserver.serving.tls import PemPair, client_tls
from tests.bench.apiwatch import BEGINNING, CONNECTION, EVENT, WATCHERS, run_watches
from tests.bench.side import Side, at_once, measure_idle
from tests.cluster.cluster import Cluster, open_cluster
from tests.cluster.pki import new_authority
from tests.conformance.server import Server, open_server, prepare, register
from tests.conformance.sidebyside.mirror import MIRROR_GROUP, definition

ROUNDS = 5
REQUESTS = 160
LISTS = 2
IDLE_SECONDS = 5.0

_NAMESPACE = "bench"
_JSON_PATCH = "application/json-patch+json"
_MERGE = "application/merge-patch+json"
_APPLY = "application/apply-patch+yaml"
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"

# One round more than counts.
_EVERY = range((ROUNDS + 1) * REQUESTS)

Ask: TypeAlias = Callable[[Side, int], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Verb:
    """A request that is made so many times in each round, each time with another number."""

    name: str
    ask: Ask
    times: int = REQUESTS


def capture(number: int, group: str) -> JsonObject:
    """Return an object as people write them."""
    labels: JsonObject = {"app": "web", "tier": "front", "round": str(number // REQUESTS)}
    return {
        "apiVersion": f"{group}/v3",
        "kind": "PacketCapture",
        "metadata": {"name": name(number), "labels": labels},
        "spec": {
            "selector": "app == 'web' && tier in {'front', 'edge'}",
            "filters": [{"protocol": "TCP", "ports": [80, 443, "8000:8080"]}],
            "startTime": "2026-01-02T03:04:05Z",
        },
    }


def name(number: int) -> str:
    """Return the name of an object."""
    return f"capture-{number:05}"


async def create(side: Side, number: int) -> None:
    """POST."""
    side.answers[number] = await side.ask("POST", "", capture(number, side.group))


async def update(side: Side, number: int) -> None:
    """PUT what was created, with another end."""
    document = orjson.loads(side.answers.pop(number))
    document["spec"]["endTime"] = "2036-01-02T03:04:05Z"
    await side.ask("PUT", f"/{name(number)}", document)


def reading(query: str = "", *, accept: str = "application/json") -> Ask:
    """Return what reads the collection."""
    return lambda side, _number: side.ask("GET", query, accept=accept)


async def patch_json(side: Side, number: int) -> None:
    """PATCH the selector."""
    patch = [{"op": "replace", "path": "/spec/selector", "value": f"app == 'web-{number}'"}]
    await side.ask("PATCH", f"/{name(number)}", patch, kind=_JSON_PATCH)


async def merge_label(side: Side, number: int) -> None:
    """PATCH a label."""
    patch = {"metadata": {"labels": {"number": str(number)}}}
    await side.ask("PATCH", f"/{name(number)}", patch, kind=_MERGE)


async def merge_status(side: Side, number: int) -> None:
    """PATCH the status, as agents report it."""
    node: JsonObject = {
        "node": "node-a",
        "directory": "/var/log/calico/pcap/bench/capture",
        "state": "Capturing",
        "fileNames": ["pod-1_cali1.pcap", "pod-2_cali2.pcap"],
    }
    patch = {"status": {"files": [node], "packets": number}}
    await side.ask("PATCH", f"/{name(number)}/status", patch, kind=_MERGE)


async def apply(side: Side, number: int) -> None:
    """PATCH by server-side apply."""
    document = {**capture(number, side.group), "spec": {"selector": f"app == 'x-{number}'"}}
    path = f"/{name(number)}?fieldManager=bench&force=true"
    await side.ask("PATCH", path, document, kind=_APPLY)


async def delete(side: Side, number: int) -> None:
    """DELETE."""
    await side.ask("DELETE", f"/{name(number)}")


async def delete_collection(side: Side, number: int) -> None:
    """DELETE all of a round."""
    await side.ask("DELETE", f"?labelSelector=round%3D{number}")


# In this order: each finds what those before it have left.
_VERBS = (
    Verb("create", create),
    Verb("update", update),
    Verb("get", lambda side, number: side.ask("GET", f"/{name(number)}")),
    Verb("get as a Table", lambda side, i: side.ask("GET", f"/{name(i)}", accept=_TABLE)),
    Verb("JSON patch of the spec", patch_json),
    Verb("merge patch of a label", merge_label),
    Verb("merge patch of the status", merge_status),
    Verb("apply", apply),
    Verb("list of all", reading(), LISTS),
    Verb("list of all, resourceVersion=0", reading("?resourceVersion=0"), LISTS),
    Verb("list, limit=500", reading("?limit=500"), LISTS),
    Verb("list by label", reading("?labelSelector=round%3D1"), LISTS),
    Verb("list as a Table, limit=500", reading("?limit=500", accept=_TABLE), LISTS),
)


async def run(sides: tuple[Side, Side]) -> bool:
    """Measure everything on both sides; tell whether no verb costs more on the first of them."""
    await measure_idle(sides, IDLE_SECONDS)
    for side in sides:
        print(f"{side.name}, idle: {100 * side.idle:.1f} % of a core")
    print(f"{'processor time of the server':34} {'ours':>10} {'CRD':>10} {'ratio':>6}  of rounds")
    met = [await run_verb(verb, sides) for verb in _VERBS]
    await run_watches(sides, name(0))
    # No verb, but what those without a connection pay first; most have one.
    show(CONNECTION, *sides)
    met += [show(what, *sides) for what in (BEGINNING, EVENT)]
    met.append(await run_verb(Verb("delete", delete), sides))
    for side in sides:
        await at_once(_EVERY, partial(create, side))
    last = Verb(f"deletecollection of {REQUESTS}", delete_collection, 1)
    met.append(await run_verb(last, sides))
    print(f"{len(met)} rows; {met.count(False)} of them cost more than on a CRD (target: none)")
    return all(met)


async def run_verb(verb: Verb, sides: tuple[Side, Side]) -> bool:
    """Measure a verb in rounds, of which the first, before all is warm, does not count."""
    for each in range(ROUNDS + 1):
        numbers = range(each * verb.times, (each + 1) * verb.times)
        for side in sorted(sides, key=lambda side: side.name, reverse=bool(each % 2)):

            async def work(side: Side = side, numbers: range = numbers) -> None:
                await at_once(numbers, lambda number: verb.ask(side, number))

            await side.measure(verb.name, verb.times, work, counts=each > 0)
    return show(verb.name, *sides)


def show(what: str, ours: Side, theirs: Side) -> bool:
    """Print a row; tell whether this costs no more than on the other side."""
    mine, other = ours.milliseconds[what], theirs.milliseconds[what]
    ratios = [a / b for a, b in zip(mine, other, strict=True)]
    ratio = median(mine) / median(other)
    print(
        f"{what:34} {median(mine):7.3f} ms {median(other):7.3f} ms {ratio:6.2f}"
        f"  {min(ratios):.2f} to {max(ratios):.2f}",
        flush=True,
    )
    return ratio <= 1


@contextlib.contextmanager
def open_servers() -> Iterator[tuple[Cluster, Server]]:
    """Run both, with their data in memory."""
    with (
        tempfile.TemporaryDirectory(dir="/dev/shm") as directory,
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
            yield cluster, server


@contextlib.asynccontextmanager
async def open_sides(cluster: Cluster, server: Server) -> AsyncIterator[tuple[Side, Side]]:
    """Have clients of both."""
    issued = cluster.authorities.cluster.issue("admin", organizations=["system:masters"])
    shown = PemPair(issued.certificate, issued.key)
    verified = client_tls(shown, cluster.authorities.cluster.certificate)
    unverified = client_tls(shown, cluster.authorities.cluster.certificate)
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    plane = cluster.control_plane
    async with _session() as mine, _session() as other:
        path = f"v3/namespaces/{_NAMESPACE}/packetcaptures"
        yield (
            Side(
                "ours",
                (server.process.pid,),
                f"{server.url}/apis/projectcalico.org/{path}",
                "projectcalico.org",
                unverified,
                mine,
            ),
            Side(
                "CRD",
                (plane.kube_apiserver.pid, plane.etcd.pid),
                f"{cluster.server}/apis/{MIRROR_GROUP}/{path}",
                MIRROR_GROUP,
                verified,
                other,
            ),
        )


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


async def measure(cluster: Cluster, server: Server) -> bool:
    """Measure both; tell whether the target was met."""
    async with open_sides(cluster, server) as sides:
        return await run(sides)


def main() -> int:
    """Measure; the exit status says whether the target was met."""
    said = io.StringIO()
    try:
        # The log of our server, which is of interest only where something goes wrong.
        with contextlib.redirect_stderr(said), open_servers() as (cluster, server):
            return 0 if asyncio.run(measure(cluster, server)) else 1
    except BaseException:
        sys.stderr.write(said.getvalue())
        raise


if __name__ == "__main__":
    sys.exit(main())
