"""The engine's process: captures what the jobs on its command line say.

It says "ready", stops everything at a line, says what it counted, and goes at the next line.
"""

import asyncio
import json
import sys
from pathlib import Path

from apiserver.resource.filters import Alternative, PacketFilter
from nodeagent.capture.counters import Tally
from nodeagent.capture.engine import open_engine
from tests.bench.capture.job import Job


async def capture(jobs: list[Job]) -> None:
    """Capture in this process."""
    async with open_engine(lambda _: None) as engine:
        for job in jobs:
            packet_filter = PacketFilter(
                (Alternative(expression=job.expression),), job.snap_length, job.headers_only
            )
            await engine.start(
                job, interface=job.interface, packet_filter=packet_filter, path=Path(job.path)
            )
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        total = sum([(await engine.stop(job)).total for job in jobs], Tally())
        print(json.dumps([total.packets, total.dropped_ring + total.dropped_writer]), flush=True)
        await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    asyncio.run(capture([Job(*each) for each in json.loads(sys.argv[1])]))
