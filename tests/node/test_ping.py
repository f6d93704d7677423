"""What a probe of liveness asks of the engine."""

import asyncio

from apiserver.resource.filters import CAPTURE_ALL
from nodeagent.capture.engine import open_engine
from tests.support.netns import open_pod


async def test_whoever_reads_the_rings_answers(tmp_path):
    with open_pod() as pod:
        async with open_engine(lambda _: None) as engine, asyncio.timeout(10):
            await asyncio.wrap_future(engine.ping())
            await engine.start(
                "ring",
                interface=pod.interface,
                packet_filter=CAPTURE_ALL,
                path=tmp_path / "a.pcap",
            )
            await asyncio.wrap_future(engine.ping())
            await engine.stop("ring")
