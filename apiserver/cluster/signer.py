"""The signer of the agents' certificates: follows CertificateSigningRequests, approves, signs, denies.

Only for our own signer name. Kubernetes removes requests by itself, an hour after they were decided
and a day after they were made (its controller `csrcleaner`), so nothing is deleted here.
"""

import logging
from base64 import b64encode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import Final, assert_never

from apiserver.agentapi.names import AGENT_SIGNER
from apiserver.cluster.authority import Authorities, Lifetimes
from apiserver.cluster.keeping import (
    REAL_TIME,
    WAITS_FOR_CA,
    Keeper,
    Outcome,
    Timing,
    running,
    wake_on,
)
from apiserver.cluster.latest import Latest
from apiserver.cluster.requests import PodNodes, Refuse, Sign, Wait, judge
from apiserver.jsontypes import JsonObject, JsonValue, array_at, object_at, text_at
from apiserver.pki import certify
from apiserver.upstream.client import ApiStatusError, Client
from apiserver.upstream.reflector import (
    Changed,
    ChangeType,
    Collection,
    Listed,
    Observation,
    reflecting,
)

log = logging.getLogger(__name__)

CSRS_PATH: Final = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
_OF_OURS: Final = {"fieldSelector": f"spec.signerName={AGENT_SIGNER}"}


class _Signer:
    """The requests that are still to be looked at, by name, as they were last seen."""

    def __init__(
        self,
        client: Client,
        namespace: str,
        authorities: Latest[Authorities],
        lifetimes: Lifetimes,
        *,
        pods: PodNodes | None,
        timing: Timing,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._authorities = authorities
        self._lifetimes = lifetimes
        self._pods = pods
        self._clock = timing.clock
        self._pending: dict[str, JsonObject] = {}

    async def follow(self, keeper: Keeper) -> None:
        """Take in requests as they come and change, for ever."""
        collection = Collection(self._client, CSRS_PATH, _OF_OURS)
        async with reflecting(collection) as observations:
            async for each in observations:
                self._take(each)
                keeper.look(each)

    async def step(self) -> Outcome:
        """Decide about everything that is there. Raises `UpstreamError`, and goes on with it later."""
        authorities = self._authorities.value
        if authorities is None or not authorities.can_sign(self._clock()):
            return WAITS_FOR_CA
        waiting = ""
        for name, csr in list(self._pending.items()):
            if reason := await self._settle(csr, authorities):
                waiting = f"{name}: {reason}"
            # What it has become meanwhile came as an event, and is another document.
            elif self._pending.get(name) is csr:
                del self._pending[name]
        return Outcome(warning=waiting)

    def _take(self, observation: Observation) -> None:
        match observation:
            case Listed(items):
                self._pending = {_name(each): each for each in items}
            case Changed(ChangeType.DELETED, item):
                self._pending.pop(_name(item), None)
            case Changed(_, item):
                self._pending[_name(item)] = item
            case _:
                pass

    async def _settle(self, csr: JsonObject, authorities: Authorities) -> str:
        """Do what has to be done about one request; return why it has to be tried again, if it has."""
        verdict = judge(csr, namespace=self._namespace, pods=self._pods, now=self._clock())
        try:
            match verdict:
                case None:
                    pass
                case Wait(reason):
                    return reason
                case Refuse():
                    await self._refuse(csr, verdict)
                case Sign():
                    await self._sign(csr, verdict, authorities)
                case _:
                    assert_never(verdict)
        except ApiStatusError as error:
            # It is gone, or somebody else decided, of which an event tells. One that cannot be
            # written for another reason does not keep others waiting.
            is_over = error.code in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}
            return "" if is_over else str(error)
        return ""

    async def _refuse(self, csr: JsonObject, verdict: Refuse) -> None:
        # What is approved cannot be denied any more; that it is not signed is a failure then.
        kind, subresource = ("Failed", "status") if verdict.is_approved else ("Denied", "approval")
        refused = _with_condition(csr, kind, "NotForThisNode", verdict.message)
        await self._client.replace(f"{CSRS_PATH}/{_name(csr)}/{subresource}", refused)
        self._pending.pop(_name(csr), None)
        log.warning(
            "certificate request refused", extra={"csr": _name(csr), "reason": verdict.message}
        )

    async def _sign(self, csr: JsonObject, verdict: Sign, authorities: Authorities) -> None:
        path = f"{CSRS_PATH}/{_name(csr)}"
        if not verdict.is_approved:
            approved = _with_condition(
                csr, "Approved", "OwnNode", "it is for the node that the requester runs on"
            )
            csr = await self._client.replace(f"{path}/approval", approved)
        certificate = certify(
            authorities.signing,
            verdict.identity,
            verdict.public_key,
            now=self._clock(),
            lifetime=min(verdict.lifetime or timedelta.max, self._lifetimes.leaf),
        )
        status = {**object_at(csr, "status"), "certificate": b64encode(certificate).decode()}
        await self._client.replace(f"{path}/status", {**csr, "status": status})
        self._pending.pop(_name(csr), None)
        names = verdict.identity.dns_names
        log.info("certificate signed", extra={"csr": _name(csr), "for": names[0]})


def _name(csr: JsonObject) -> str:
    return text_at(object_at(csr, "metadata"), "name")


def _with_condition(csr: JsonObject, kind: str, reason: str, message: str) -> JsonObject:
    condition: JsonValue = {"type": kind, "status": "True", "reason": reason, "message": message}
    status = object_at(csr, "status")
    conditions = [*array_at(status, "conditions"), condition]
    return {**csr, "status": {**status, "conditions": conditions}}


@asynccontextmanager
async def signing_certificates(
    client: Client,
    namespace: str,
    authorities: Latest[Authorities],
    *,
    lifetimes: Lifetimes,
    pods: PodNodes | None = None,
    timing: Timing = REAL_TIME,
) -> AsyncGenerator[Keeper]:
    """Sign for the agents of this installation for as long as the block lasts."""
    keeper = Keeper(f"signer {AGENT_SIGNER}", timing)
    signer = _Signer(client, namespace, authorities, lifetimes, pods=pods, timing=timing)
    async with running(
        keeper.run(signer.step), signer.follow(keeper), wake_on(keeper, authorities)
    ):
        yield keeper
