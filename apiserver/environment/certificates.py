"""The server's own certificates in a cluster, from its CA or from files, and who is told of them."""

import logging
import ssl
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import timedelta

from apiserver.auth.access import PodNodes
from apiserver.cluster.apiservice import keeping_apiservice
from apiserver.cluster.authority import Authorities, Lifetimes
from apiserver.cluster.casecret import AuthorityKeeper, keeping_authority
from apiserver.cluster.certificatefiles import CertificateFiles, following_certificate_files
from apiserver.cluster.certificates import (
    CLIENT_IDENTITY,
    CertificateKeeper,
    keeping_certificate,
    serving_identity,
)
from apiserver.cluster.keeping import Keeper, running
from apiserver.cluster.latest import Latest
from apiserver.cluster.registration import ServiceReference
from apiserver.cluster.signer import signing_certificates
from apiserver.cluster.trust import keeping_trust
from apiserver.config import ClusterConfig
from apiserver.pki import Usage, issue, new_authority
from apiserver.serving.clock import utc_now
from apiserver.serving.tls import PemPair, ServerTLS, client_tls
from apiserver.upstream.client import Client

log = logging.getLogger(__name__)

# Served with until there is a certificate that somebody could believe, so that probes are answered.
_TEMPORARY = timedelta(hours=1)


class OwnCertificates:
    """What the server shows to its clients, and to the agents."""

    def __init__(self, temporary: PemPair) -> None:
        self.tls = ServerTLS.any_client(temporary)
        self.shown_to_agents: ssl.SSLContext | None = None
        self.keepers: dict[str, Keeper] = {}

    def serve(self, pair: PemPair) -> None:
        """Show this certificate to clients."""
        with _going_on_as_before("clients"):
            self.tls.replace(pair)

    def show(self, pair: PemPair | None, authorities: Authorities | None) -> None:
        """Call agents with this certificate, and believe these CAs."""
        if pair is not None and authorities is not None:
            with _going_on_as_before("agents"):
                self.shown_to_agents = client_tls(pair, authorities.bundle)


@contextmanager
def _going_on_as_before(peers: str) -> Iterator[None]:
    """Log what TLS does not take: it is stricter than who has read it, and no reason to end."""
    try:
        yield
    except (ssl.SSLError, ValueError) as error:
        log.error("certificate cannot be used", extra={"for": peers, "error": str(error)})  # noqa: TRY400 - the reason is the whole story


@asynccontextmanager
async def keeping_certificates(
    client: Client, mode: ClusterConfig, pods: PodNodes
) -> AsyncGenerator[OwnCertificates]:
    """Keep the CA, what it signs and what depends on it right, for as long as the block lasts."""
    own = OwnCertificates(_temporary_pair(mode))
    lifetimes = Lifetimes(mode.ca_lifetime, mode.certificate_lifetime)
    service = ServiceReference(mode.namespace, mode.service_name)
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        authority = await enter(keeping_authority(client, mode.namespace, lifetimes=lifetimes))
        authorities = authority.authorities
        served, publisher = await enter(_serving(mode, authority, lifetimes))
        shown = await enter(
            keeping_certificate(CLIENT_IDENTITY, Usage.CLIENT, authorities, lifetimes=lifetimes)
        )
        trust = await enter(keeping_trust(client, mode.namespace, authority))
        apiservice = await enter(
            keeping_apiservice(client, service, publisher, take_over=mode.take_over)
        )
        signer = await enter(
            signing_certificates(
                client, mode.namespace, authorities, lifetimes=lifetimes, pods=pods
            )
        )
        own.keepers = {
            "certificate-authority": authority,
            "serving-certificate": served,
            "agents-certificate": shown,
            "trust": trust,
            "signer": signer,
            "apiservice": apiservice,
        }
        await enter(
            running(
                served.pairs.each(own.serve),
                shown.pairs.each(lambda pair: own.show(pair, authorities.value)),
                authorities.each(lambda newest: own.show(shown.pairs.value, newest)),
            )
        )
        yield own


@asynccontextmanager
async def _serving(
    mode: ClusterConfig, authority: AuthorityKeeper, lifetimes: Lifetimes
) -> AsyncGenerator[tuple[CertificateKeeper | CertificateFiles, AuthorityKeeper | None]]:
    """Keep what is served with; with it the CA to publish for it, None where that is not ours."""
    if mode.tls is not None:
        async with following_certificate_files(mode.tls) as files:
            yield files, None
        return
    identity = serving_identity(mode.service_name, mode.namespace)
    authorities: Latest[Authorities] = authority.authorities
    async with keeping_certificate(
        identity, Usage.SERVER, authorities, lifetimes=lifetimes
    ) as keeper:
        yield keeper, authority


def _temporary_pair(mode: ClusterConfig) -> PemPair:
    now = utc_now()
    authority = new_authority("packetcapture temporary CA", now=now, lifetime=_TEMPORARY)
    identity = serving_identity(mode.service_name, mode.namespace)
    return issue(authority, identity, now=now, lifetime=_TEMPORARY, usage=Usage.SERVER)
