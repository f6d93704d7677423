"""What manifests cost the server: `python -m tests.bench.manifests`.

1. To create an object with filters, beside the same object without: processor time of the server and
   of the children that have libpcap, rounds in turns. The filters of no two objects are the same, so
   that nothing is answered from memory.
2. The time until the largest legal filters and manifests of half a megabyte are answered, by the clock
   on the wall, as dry runs, which explain the filter as well.
3. The memory of the server after 10,000 bad manifests: all that the tests have, again and again.
"""

import asyncio
import contextlib
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

import aiohttp

from tests.bench.side import Side, at_once, measure_idle, tree
from tests.protocol.badmanifests import TABLE, read
from tests.support.client import Client, capture, collection
from tests.support.manifests import HUGE, LARGEST
from tests.support.rawhttp import usage
from tests.support.server import Installation, Server, install, serving

TARGET_MORE_MILLISECONDS = 0.5
TARGET_SECONDS = 1.0
TARGET_GROWTH_BYTES = 8 << 20

ROUNDS = 15
REQUESTS = 200
ATTEMPTS = 5
BAD_MANIFESTS = 10_000
IDLE_SECONDS = 3.0

Rules: TypeAlias = Callable[[int], list[dict[str, Any]]]

WITHOUT = "without filters"


def ports(number: int) -> list[dict[str, Any]]:
    """Return an ordinary rule."""
    first = 1 + number % 20_000
    return [{"protocol": "TCP", "ports": [first, f"{first + 1}:{first + 40_000}"]}]


def every_field(number: int) -> list[dict[str, Any]]:
    """Return two rules that say all that a rule can say without an expression."""
    network = f"10.{number // 256 % 256}.{number % 256}.0/24"
    addressed: dict[str, Any] = {"srcNets": [network, "fd00::/8"], "direction": "In"}
    echo = {"protocol": "ICMP", "icmpType": 8, "dstNets": [network]}
    return [ports(number)[0] | addressed | {"tcpFlags": ["SYN+!ACK", "RST"]}, echo]


def expression(number: int) -> list[dict[str, Any]]:
    """Return a rule in the language of libpcap."""
    return [{"expression": f"tcp port {1 + number % 60_000} and greater {number % 1400}"}]


KINDS: Mapping[str, Rules | None] = {
    WITHOUT: None,
    "protocol and ports": ports,
    "an expression": expression,
    "two rules, every field": every_field,
}
TARGETED = ("protocol and ports", "an expression")


@dataclass(frozen=True, slots=True)
class Asked:
    """A running server, and who asks it."""

    server: Server
    side: Side
    client: Client

    @property
    def resident_bytes(self) -> int:
        """The memory of the server and its children."""
        return sum(usage(pid).resident_bytes for pid in tree(self.server.process.pid))


async def create(side: Side, kind: str, number: int) -> None:
    """POST an object with rules of a kind."""
    spec: dict[str, Any] = {"selector": "app == 'web' && tier in {'front', 'edge'}"}
    if rules := KINDS[kind]:
        spec["filters"] = rules(number)
    name = f"{list(KINDS).index(kind)}-{number:05}"
    await side.ask("POST", "", capture(name, **spec))


async def run_creates(asked: Asked) -> bool:
    """Measure creates of all kinds; tell whether none costs so much more than one without filters."""
    side = asked.side
    await measure_idle([side], IDLE_SECONDS)
    for each in range(ROUNDS + 1):
        numbers = range(each * REQUESTS, (each + 1) * REQUESTS)
        for kind in sorted(KINDS, reverse=bool(each % 2)):
            work = partial(at_once, numbers, partial(create, side, kind))
            await side.measure(kind, REQUESTS, work, counts=each > 0)
            # None is to find more objects than those before it.
            await side.ask("DELETE")
    print(f"{'processor time of a create':26} {'median':>9} {'more':>9}  of rounds")
    met = [_show_create(side, kind) for kind in KINDS]
    return all(met)


def _show_create(side: Side, kind: str) -> bool:
    mine, other = side.milliseconds[kind], side.milliseconds[WITHOUT]
    more = [a - b for a, b in zip(mine, other, strict=True)]
    row = f"{kind:26} {median(mine):6.2f} ms"
    if kind != WITHOUT:
        row += f" {median(more):6.2f} ms  {min(more):.2f} to {max(more):.2f}"
    print(row, flush=True)
    return kind not in TARGETED or median(more) <= TARGET_MORE_MILLISECONDS


async def run_answers(asked: Asked) -> bool:
    """Measure how long the largest manifests take; tell whether all are answered in time."""
    legal: dict[str, Any] = {name: {"filters": rules} for name, rules in LARGEST.items()}
    print(f"\n{'answered after':58} {'median':>8} {'worst':>8}  code")
    found = [
        await _show_answer(asked.client, f"{what}: {name}", spec)
        for what, specs in (("largest legal filters", legal), ("half a megabyte", HUGE))
        for name, spec in specs.items()
    ]
    return all(found)


async def _show_answer(client: Client, what: str, spec: dict[str, Any]) -> bool:
    taken, codes = [], set()
    for attempt in range(ATTEMPTS):
        # What was answered once is remembered, so no two are the same.
        document = capture("large", **spec, snapLength=1_000 + attempt)
        began = time.monotonic()
        answer = await client.create("large", document, dryRun="All")
        taken.append(time.monotonic() - began)
        codes.add(answer.code)
    print(f"{what:58} {median(taken):6.2f} s {max(taken):6.2f} s  {codes}", flush=True)
    assert codes <= {201, 400, 413, 422}, codes
    return median(taken) <= TARGET_SECONDS


async def run_bad(asked: Asked) -> bool:
    """Send bad manifests; tell whether memory is what it was when all had been sent for a while."""
    # Those that change what is stored would leave more behind each time.
    cases = [each for each in read(TABLE.read_text()) if "was" not in each.fields]

    async def send(count: int) -> int:
        left = islice(cycle(cases), count)

        async def worker() -> None:
            for case in left:
                answer = await case.send(asked.client, "bad")
                assert answer.code == case.answer[0], answer.body

        async with asyncio.TaskGroup() as tasks:
            for _ in range(os.cpu_count() or 1):
                tasks.create_task(worker())
        return asked.resident_bytes

    warm = await send(BAD_MANIFESTS // 4)
    began = time.monotonic()
    after = await send(BAD_MANIFESTS)
    rate = BAD_MANIFESTS / (time.monotonic() - began)
    print(
        f"\n{BAD_MANIFESTS:,} bad manifests of {len(cases)} sorts, {rate:.0f} a second:", end=" "
    )
    print(f"memory {warm / (1 << 20):.1f} MiB before, {after / (1 << 20):.1f} MiB after")
    return after - warm <= TARGET_GROWTH_BYTES


@contextlib.contextmanager
def open_server() -> Iterator[tuple[Installation, Server]]:
    """Run a server, with its data in memory."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        installation = install(Path(directory))
        with serving(installation) as server:
            yield installation, server


async def measure(installation: Installation, server: Server) -> bool:
    """Measure everything; tell whether all targets were met."""
    tls = installation.client(installation.layout.admin)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        url = server.url + collection("bench")
        side = Side("ours", (server.process.pid,), url, "projectcalico.org", tls, session)
        asked = Asked(server, side, Client(session, server.url, tls))
        goals = {
            "creates": await run_creates(asked),
            "answers": await run_answers(asked),
            "memory": await run_bad(asked),
        }
    missed = [name for name, is_met in goals.items() if not is_met]
    print(f"missed: {', '.join(missed)}" if missed else "all targets met", flush=True)
    return not missed


def main() -> int:
    """Measure; the exit status says whether the targets were met."""
    said = io.StringIO()
    try:
        # The log of the server, which is of interest only where something goes wrong.
        with contextlib.redirect_stderr(said), open_server() as (installation, server):
            return 0 if asyncio.run(measure(installation, server)) else 1
    except BaseException:
        sys.stderr.write(said.getvalue())
        raise


if __name__ == "__main__":
    sys.exit(main())
