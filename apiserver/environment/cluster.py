"""In a cluster: who may ask is kube-apiserver's to say, and our certificates are made here (DESIGN 4).

Everything below begins at once, waits for nothing and mends itself; what is not right yet, or not
any more, is a check of `/readyz`.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial

from apiserver.agents.client import AgentClient
from apiserver.agents.pods import following_agents
from apiserver.auth.authentication import Authenticator
from apiserver.auth.subjectaccessreview import SubjectAccessReviews
from apiserver.auth.tokenreview import TokenReviews
from apiserver.auth.trust import following_trust
from apiserver.cluster.admission.policies import following_policies
from apiserver.cluster.admission.quotas import following_quotas
from apiserver.cluster.admission.webhooks import following_webhooks
from apiserver.cluster.delegation import awaiting_delegation
from apiserver.cluster.events import recording_events
from apiserver.cluster.keeping import Keeper
from apiserver.cluster.namespaces import following_namespaces
from apiserver.cluster.surroundings import following_surroundings
from apiserver.config import ClusterConfig, Config
from apiserver.environment.certificates import keeping_certificates
from apiserver.environment.interface import DelegationMetrics, Environment
from apiserver.environment.standalone import opening_connections
from apiserver.environment.trust import read_trust
from apiserver.registry.packetcaptures import PACKET_CAPTURES
from apiserver.resource.surroundings import Silence
from apiserver.serving.probes import Check
from apiserver.upstream.client import Client, open_client, open_in_cluster_client


@asynccontextmanager
async def in_cluster(
    config: Config, mode: ClusterConfig, counted: DelegationMetrics, silence: Silence
) -> AsyncGenerator[Environment]:
    """Set up an environment. Raises UpstreamError, OSError or ValueError where flags cannot work."""
    fixed = await asyncio.to_thread(read_trust, config)
    async with (
        _opening_client(mode) as client,
        following_trust(client, fixed=fixed) as trust,
        awaiting_delegation(client) as delegation,
        following_namespaces(client) as namespaces,
        following_webhooks(
            client, PACKET_CAPTURES, namespaces, account=counted.admission.called
        ) as webhooks,
        following_policies(client, PACKET_CAPTURES, namespaces) as policies,
        following_quotas(client, PACKET_CAPTURES) as quotas,
        following_agents(client, namespace=mode.namespace) as directory,
        following_surroundings(client, directory, silence) as surroundings,
        recording_events(client, instance=mode.pod_name) as recorder,
        keeping_certificates(client, mode, directory) as own,
        opening_connections() as session,
    ):
        yield Environment(
            tls=own.tls,
            authenticator=Authenticator(
                trust.current, TokenReviews(client, observe=counted.reviews.authentication)
            ),
            access=SubjectAccessReviews(client, observe=counted.reviews.authorization),
            namespaces=namespaces,
            controls=(webhooks, policies, quotas),
            agents=AgentClient(session, directory, lambda: own.shown_to_agents),
            pod_nodes=directory,
            surroundings=surroundings,
            recorder=recorder,
            checks=(
                _check("authentication", lambda: trust.problem),
                _check("delegation", partial(_problem, delegation)),
                _check("namespaces", lambda: namespaces.problem),
                _check("webhooks", lambda: webhooks.problem),
                _check("quotas", lambda: quotas.problem),
                *(_check(name, partial(_problem, kept)) for name, kept in own.keepers.items()),
            ),
        )


@asynccontextmanager
async def _opening_client(mode: ClusterConfig) -> AsyncGenerator[Client]:
    opening = open_client(mode.kubeconfig) if mode.kubeconfig else open_in_cluster_client()
    async with opening as client:
        yield client


def _problem(keeper: Keeper) -> str:
    return keeper.problem


def _check(name: str, problem: Callable[[], str]) -> Check:
    async def ask() -> str:
        return problem()

    return Check(name, ask)
