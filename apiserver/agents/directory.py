"""Where the agent of a node is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class AgentAddress:
    """Where an agent listens. Who it is, its certificate says (`agentapi.names.agent_dns_name`)."""

    host: str
    port: int


class AgentDirectory(Protocol):
    """Node names to addresses, as they are known now."""

    def nodes(self) -> tuple[str, ...]:
        """Return all nodes that have an agent, sorted."""

    def find(self, node: str) -> AgentAddress | None:
        """Return where the node's agent listens, or None."""


class StaticDirectory:
    """The agents named on the command line (`--agent NODE=HOST:PORT`)."""

    def __init__(self, agents: Mapping[str, AgentAddress]) -> None:
        self._agents = dict(agents)

    def nodes(self) -> tuple[str, ...]:
        """Return all nodes that have an agent, sorted."""
        return tuple(sorted(self._agents))

    def find(self, node: str) -> AgentAddress | None:
        """Return where the node's agent listens, or None."""
        return self._agents.get(node)
