"""Where a Service is: the addresses of its ready endpoints, as its cluster's API tells them.

So kube-apiserver finds webhooks with `--enable-aggregator-routing` (apiserver, util/proxy). It needs
no DNS and no kube-proxy, so it is the same in a pod and outside the cluster; one endpoint that does
not answer is followed by the next. A Service that is only another name (ExternalName) is looked up by
that name.
"""

import random
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from apiserver.jsontypes import JsonObject, array_at, integer_at, object_at, text_at
from apiserver.upstream.client import ApiStatusError, Client, UpstreamError

SERVICES_PATH: Final = "/api/v1/namespaces/{namespace}/services"
SLICES_PATH: Final = "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
_SUFFIX: Final = ".svc"
_FAMILIES: Final = {"IPv4": socket.AF_INET, "IPv6": socket.AF_INET6}


class ServiceUnresolvedError(OSError):
    """A Service that leads nowhere; the text says why."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where one endpoint listens."""

    address_type: str
    host: str
    port: int


class ServiceResolver(AbstractResolver):
    """Resolves `<service>.<namespace>.svc` itself, and leaves all else to the system."""

    def __init__(self, client: Client, shuffle: Callable[[list[Address]], None]) -> None:
        self._client = client
        self._shuffle = shuffle
        self._system = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return where to connect to, best first. Raises OSError."""
        service, _, namespace = host.removesuffix(_SUFFIX).partition(".")
        if not host.endswith(_SUFFIX) or not namespace or "." in namespace:
            return await self._system.resolve(host, port, family)
        try:
            return await self._resolve(host, service, namespace, port)
        except ApiStatusError as error:
            raise ServiceUnresolvedError(error.message or str(error)) from error
        except UpstreamError as error:
            raise ServiceUnresolvedError(str(error)) from error

    async def close(self) -> None:
        """Do nothing: nothing is open."""

    async def _resolve(
        self, host: str, name: str, namespace: str, port: int
    ) -> list[ResolveResult]:
        services = SERVICES_PATH.format(namespace=quote(namespace, safe=""))
        service = await self._client.get_json(f"{services}/{quote(name, safe='')}")
        spec = object_at(service, "spec")
        if text_at(spec, "type") == "ExternalName":
            return await self._system.resolve(
                text_at(spec, "externalName"), port, socket.AF_UNSPEC
            )
        port_name = _port_name(spec, name, port)
        slices = await self._client.get_json(
            SLICES_PATH.format(namespace=quote(namespace, safe="")),
            {"labelSelector": f"kubernetes.io/service-name={name}"},
        )
        found = list(_addresses(_objects(slices, "items"), port_name))
        if not found:
            raise ServiceUnresolvedError(f'no endpoints available for service "{name}"')
        self._shuffle(found)
        families = array_at(spec, "ipFamilies")
        found.sort(key=lambda each: each.address_type not in families[:1])
        return [_result(host, each) for each in found]


def shuffled(addresses: list[Address]) -> None:
    """Spread calls over the endpoints."""
    random.shuffle(addresses)


def _port_name(spec: JsonObject, name: str, port: int) -> str:
    for each in _objects(spec, "ports"):
        if integer_at(each, "port") == port:
            return text_at(each, "name")
    raise ServiceUnresolvedError(f'no service port {port} found for service "{name}"')


def _addresses(slices: Iterable[JsonObject], port_name: str) -> Iterable[Address]:
    """Go through the ready endpoints; one that does not say whether it is ready is."""
    for each in slices:
        address_type = text_at(each, "addressType")
        ports = [
            integer_at(port, "port")
            for port in _objects(each, "ports")
            if text_at(port, "name") == port_name and integer_at(port, "port")
        ]
        if address_type not in _FAMILIES or not ports:
            continue
        for endpoint in _objects(each, "endpoints"):
            hosts = array_at(endpoint, "addresses")[:1]
            if object_at(endpoint, "conditions").get("ready") is not False:
                yield from (Address(address_type, str(host), ports[0]) for host in hosts)


def _objects(document: JsonObject, name: str) -> Iterable[JsonObject]:
    return (each for each in array_at(document, name) if isinstance(each, dict))


def _result(host: str, address: Address) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=address.host,
        port=address.port,
        family=_FAMILIES[address.address_type],
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST,
    )
