import pytest

from apiserver.cluster.admission import services
from apiserver.cluster.admission.services import ServiceResolver, ServiceUnresolvedError
from apiserver.cluster.admission.webhooks import following_webhooks
from apiserver.registry.packetcaptures import PACKET_CAPTURES

SERVICES = services.SERVICES_PATH.format(namespace="ops")
SLICES = services.SLICES_PATH.format(namespace="ops")


def a_service(**spec):
    ports = [{"name": "metrics", "port": 9090}, {"name": "https", "port": 443}]
    return {"metadata": {"name": "hook"}, "spec": {"type": "ClusterIP", "ports": ports, **spec}}


def a_slice(*endpoints, name="hook-1", kind="IPv4", service="hook", ports=None):
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": service}},
        "addressType": kind,
        "ports": ports or [{"name": "https", "port": 8443}, {"name": "metrics", "port": 9090}],
        "endpoints": list(endpoints),
    }


def an_endpoint(address, **conditions):
    return {"addresses": [address], "conditions": conditions}


@pytest.fixture
async def resolver(client):
    return ServiceResolver(client, lambda addresses: addresses.reverse())


async def places(resolver, port=443):
    return [(each["host"], each["port"]) for each in await resolver.resolve("hook.ops.svc", port)]


async def test_a_service_is_where_its_endpoints_are(api, resolver):
    await api.create(SERVICES, a_service())
    await api.create(SLICES, a_slice(an_endpoint("10.0.0.1"), an_endpoint("10.0.0.2", ready=True)))
    await api.create(SLICES, a_slice(an_endpoint("10.0.0.9"), name="other", service="other"))

    assert await places(resolver) == [("10.0.0.2", 8443), ("10.0.0.1", 8443)]
    assert await places(resolver, 9090) == [("10.0.0.2", 9090), ("10.0.0.1", 9090)]


async def test_an_endpoint_that_is_not_ready_is_left_out(api, resolver):
    await api.create(SERVICES, a_service())
    unready = an_endpoint("10.0.0.1", ready=False)
    await api.create(SLICES, a_slice(unready, an_endpoint("10.0.0.2")))

    assert await places(resolver) == [("10.0.0.2", 8443)]


async def test_the_services_first_family_is_tried_first(api, resolver):
    await api.create(SERVICES, a_service(ipFamilies=["IPv6", "IPv4"]))
    await api.create(SLICES, a_slice(an_endpoint("fd00::1"), name="six", kind="IPv6"))
    await api.create(SLICES, a_slice(an_endpoint("10.0.0.1"), name="four"))
    await api.create(SLICES, a_slice(an_endpoint("a.example.com"), name="name", kind="FQDN"))

    assert await places(resolver) == [("fd00::1", 8443), ("10.0.0.1", 8443)]


@pytest.mark.parametrize(
    ("slices", "port", "why"),
    [
        pytest.param([], 443, 'no endpoints available for service "hook"', id="none"),
        pytest.param(
            [a_slice(an_endpoint("10.0.0.1", ready=False))],
            443,
            'no endpoints available for service "hook"',
            id="none ready",
        ),
        pytest.param(
            [a_slice(an_endpoint("10.0.0.1"), ports=[{"name": "https"}])],
            443,
            'no endpoints available for service "hook"',
            id="none with a port",
        ),
        pytest.param([], 444, 'no service port 444 found for service "hook"', id="another port"),
    ],
)
async def test_a_service_that_leads_nowhere(api, resolver, slices, port, why):
    await api.create(SERVICES, a_service())
    for each in slices:
        await api.create(SLICES, each)

    with pytest.raises(ServiceUnresolvedError, match=why):
        await resolver.resolve("hook.ops.svc", port)


async def test_a_service_that_is_not_there(resolver):
    with pytest.raises(ServiceUnresolvedError, match="hook not found"):
        await resolver.resolve("hook.ops.svc", 443)


async def test_a_cluster_that_does_not_answer(api, resolver):
    await api.go_out()

    with pytest.raises(ServiceUnresolvedError, match="out of order"):
        await resolver.resolve("hook.ops.svc", 443)


async def test_a_cluster_that_is_away(unreachable):
    resolver = ServiceResolver(unreachable, services.shuffled)

    with pytest.raises(ServiceUnresolvedError, match=r"[Cc]onnect"):
        await resolver.resolve("hook.ops.svc", 443)


async def test_a_service_may_be_another_name(api, resolver):
    await api.create(SERVICES, a_service(type="ExternalName", externalName="localhost"))

    assert ("127.0.0.1", 443) in await places(resolver)


async def test_other_names_are_left_to_the_system(api, resolver):
    assert (await resolver.resolve("localhost", 80))[0]["host"] == "127.0.0.1"
    assert not api.requests


async def test_a_webhook_behind_a_service_has_to_be_that_service(api, client, server, create):
    await api.create(SERVICES, a_service())
    ports = [{"name": "https", "port": server.port}]
    await api.create(SLICES, a_slice(an_endpoint("127.0.0.1"), ports=ports))
    webhook = server.at("/check")
    webhook["clientConfig"].pop("url")
    webhook["clientConfig"]["service"] = {"namespace": "ops", "name": "hook", "path": "/check"}
    await api.create(
        "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
        {"metadata": {"name": "c"}, "webhooks": [webhook]},
    )

    async with following_webhooks(client, PACKET_CAPTURES, NoNamespaces()) as webhooks:
        await webhooks.validate(create)

    assert server.paths == ["/check"]
    assert server.server_names == ["hook.ops.svc"]


class NoNamespaces:
    """Nobody asks for labels here."""

    async def labels_of(self, name):
        raise AssertionError(name)
