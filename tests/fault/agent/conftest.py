"""A pod whose packets are numbered, and agents that are forked."""

from collections.abc import Iterator

import pytest

from tests.fault.agent.flow import Flow, flowing
from tests.support.agentforks import AgentForks, forking_agents
from tests.support.netns import Pod, open_pod


@pytest.fixture(scope="module")
def forks() -> Iterator[AgentForks]:
    with forking_agents() as forks:
        yield forks


@pytest.fixture
def pod() -> Iterator[Pod]:
    with open_pod() as made:
        yield made


@pytest.fixture
def flow(pod: Pod) -> Iterator[Flow]:
    with flowing([pod], seed=1) as (flow,):
        yield flow
