"""For all levels: no event loop but the one of a test, and nothing that blocks it."""

import asyncio
import os
from collections.abc import Iterator

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import settings


def pytest_configure() -> None:
    # looptime asks for the present loop in tests that have none, which would make one that nobody
    # closes; told that there is none, it does without.
    asyncio.set_event_loop(None)
    settings.register_profile("dev", max_examples=50)
    settings.register_profile("ci", max_examples=500, deadline=None)
    settings.load_profile("ci" if "CI" in os.environ else "dev")


@pytest.fixture(autouse=True)
def _no_blocking_calls(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test whose event loop makes a blocking call in our packages."""
    if request.node.get_closest_marker("blocking_ok"):
        yield
        return
    with blockbuster_ctx(["apiserver", "nodeagent"]) as guard:
        guard.functions["threading.Lock.acquire"].deactivate()
        yield
