import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from apiserver.agents.pods import PodDirectory, agent_pod
from apiserver.cluster.surroundings import following_surroundings
from apiserver.jsontypes import JsonArray
from apiserver.resource.selector.parser import parse
from apiserver.resource.surroundings import NodeView, SelectedPod
from tests.fakes.time import NOON

PODS = "/api/v1/namespaces/shop/pods"
ALL_PODS = "/api/v1/pods"
NAMESPACES = "/api/v1/namespaces"
ACCOUNTS = "/api/v1/namespaces/shop/serviceaccounts"
NODES = "/api/v1/nodes"

EVERYTHING = frozenset({"*"})
SHOP = frozenset({"shop"})


class Silence:
    """Agents that were not heard of."""

    def __init__(self) -> None:
        self.since: dict[str, object] = {}

    def silent_since(self, node):
        return self.since.get(node)

    def is_heard(self, node):
        return node not in self.since


def a_pod(name, *, node="n1", phase="Running", host=False, account="default", **labels):
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"nodeName": node, "hostNetwork": host, "serviceAccountName": account},
        "status": {"phase": phase},
    }


def an_agent(node, *, ready=True):
    conditions: JsonArray = [{"type": "Ready", "status": str(ready)}]
    return agent_pod(
        {
            "metadata": {"name": f"agent-{node}", "uid": f"uid-{node}"},
            "spec": {"nodeName": node},
            "status": {"conditions": conditions},
        }
    )


@pytest.fixture
def agents():
    """An agent on the first node, and one on the second that is not ready."""
    directory = PodDirectory()
    directory.replace([an_agent("n1"), an_agent("n2", ready=False)])
    return directory


@pytest.fixture
def silence():
    return Silence()


@pytest.fixture
async def shop(api):
    """A namespace, with a label."""
    await api.create(NAMESPACES, {"metadata": {"name": "shop", "labels": {"team": "red"}}})


@pytest.fixture
def following(client, agents, silence):
    @asynccontextmanager
    async def follow():
        async with (
            asyncio.timeout(20),
            following_surroundings(
                client,
                agents,
                silence,
                clock=lambda: NOON,
                jitter=lambda _low, high: high,
                sleep=lambda _seconds: asyncio.sleep(0),
            ) as surroundings,
        ):
            yield surroundings

    return follow


async def known(surroundings, selector="all()"):
    """Wait until it is known what is selected in the shop, and return it."""
    while (pods := await surroundings.pods_selected("shop", parse(selector))) is None:
        await surroundings.next_change()
    return pods


async def names_selected(surroundings, selector="all()"):
    return [pod.name for pod in await known(surroundings, selector)]


async def changes_until(surroundings, condition):
    """Wait until something is so; return all that was told of until then."""
    seen: frozenset[str] = frozenset()
    while not await condition(surroundings):
        seen |= await surroundings.next_change()
    return seen


def is_gone(node):
    async def so(surroundings):
        return surroundings.node(node).gone_since is not None

    return so


def selects(selector, *names):
    async def so(surroundings):
        pods = await surroundings.pods_selected("shop", parse(selector))
        return pods is not None and [each.name for each in pods] == [*names]

    return so


async def until(condition):
    while not condition():  # noqa: ASYNC110 - what is awaited has no event of its own
        await asyncio.sleep(0)


async def settled(surroundings):
    """Wait until everything is known that there is at first, and nothing of it is left to tell."""
    await known(surroundings)

    await changes_until(surroundings, is_gone("nowhere"))
    with suppress(TimeoutError):
        async with asyncio.timeout(0):
            await surroundings.next_change()


@pytest.mark.usefixtures("shop")
async def test_selected_pods_are_those_that_match_in_their_namespace(api, following):
    await api.create(NAMESPACES, {"metadata": {"name": "bank"}})
    await api.create(PODS, a_pod("web", app="web"))
    await api.create(PODS, a_pod("db", app="db"))
    await api.create("/api/v1/namespaces/bank/pods", a_pod("safe", app="web"))

    async with following() as surroundings:
        (pod,) = await known(surroundings, "app == 'web'")
        inherited = await names_selected(surroundings, "pcns.team == 'red'")

    uid = api.get(f"{PODS}/web")["metadata"]["uid"]
    assert pod == SelectedPod("shop", "web", uid, "n1", problem="")
    assert inherited == ["db", "web"]


@pytest.mark.parametrize(
    ("node", "problem"),
    [
        pytest.param("n1", "", id="can be captured"),
        pytest.param("n2", "the agent on its node is not ready", id="agent not ready"),
        pytest.param("n3", "no agent on its node", id="no agent"),
        pytest.param(None, "not scheduled to a node yet", id="no node"),
    ],
)
@pytest.mark.usefixtures("shop")
async def test_pods_that_cannot_be_captured_say_why(api, following, node, problem):
    await api.create(PODS, a_pod("web", node=node))

    async with following() as surroundings:
        (pod,) = await known(surroundings)

    assert pod.problem == problem


@pytest.mark.usefixtures("shop")
async def test_pods_with_their_nodes_network_are_never_selected_and_can_be_named(api, following):
    await api.create(PODS, a_pod("web"))
    await api.create(PODS, a_pod("proxy", host=True))

    async with following() as surroundings:
        selected = await names_selected(surroundings)
        (host,) = await surroundings.host_network_pods("shop", parse("all()"))

    assert selected == ["web"]
    assert (host.name, host.problem) == ("proxy", "has its node's network")


@pytest.mark.usefixtures("shop")
async def test_nothing_is_known_before_everything_was_listed(api, following):
    api.refusals["GET", ALL_PODS] = (503, "ServiceUnavailable")

    async with following() as surroundings:
        assert await surroundings.pods_selected("shop", parse("all()")) is None
        assert await surroundings.host_network_pods("shop", parse("all()")) == ()


@pytest.mark.usefixtures("shop")
async def test_nothing_is_known_before_the_agents_are(api, client, silence):
    await api.create(PODS, a_pod("web"))
    agents = PodDirectory()

    async with (
        asyncio.timeout(20),
        following_surroundings(client, agents, silence) as surroundings,
    ):
        await changes_until(surroundings, selects("none == ''"))
        assert await surroundings.pods_selected("shop", parse("all()")) is None

        agents.replace([an_agent("n1")])
        assert await surroundings.next_change() == EVERYTHING
        assert await names_selected(surroundings) == ["web"]


@pytest.mark.usefixtures("shop")
async def test_changes_name_the_namespaces(api, following):
    await api.create(PODS, a_pod("web", app="web"))
    async with following() as surroundings:
        await settled(surroundings)

        await api.create(PODS, a_pod("one", tier="one"))
        assert await changes_until(surroundings, selects("tier == 'one'", "one")) == SHOP

        await api.delete(f"{PODS}/one")
        assert await changes_until(surroundings, selects("tier == 'one'")) == SHOP

        labelled = api.get(f"{NAMESPACES}/shop")
        labelled["metadata"]["labels"] = {"team": "blue"}
        await api.replace(f"{NAMESPACES}/shop", labelled)
        assert await surroundings.next_change() == SHOP
        assert await names_selected(surroundings, "pcns.team == 'blue'") == ["web"]


@pytest.mark.usefixtures("shop")
async def test_a_change_that_no_selector_sees_is_told_to_nobody(api, following):
    await api.create(PODS, a_pod("web"))
    async with following() as surroundings:
        await settled(surroundings)

        await api.replace(f"{PODS}/web/status", {"status": {"podIP": "10.0.0.1"}})
        await api.create(NAMESPACES, {"metadata": {"name": "bank"}})

        assert await surroundings.next_change() == {"bank"}


@pytest.mark.usefixtures("shop")
async def test_an_agent_that_changes_concerns_the_namespaces_on_its_node(api, following, agents):
    await api.create(PODS, a_pod("web", node="n2"))
    async with following() as surroundings:
        await settled(surroundings)

        agents.put(an_agent("n4"))
        agents.put(an_agent("n2"))

        assert await surroundings.next_change() == SHOP
        assert (await known(surroundings))[0].problem == ""


@pytest.mark.usefixtures("shop")
async def test_service_accounts_are_followed_from_the_first_selector_that_mentions_them(
    api, following
):
    await api.create(ACCOUNTS, {"metadata": {"name": "robot", "labels": {"tier": "one"}}})
    await api.create(PODS, a_pod("web", account="robot"))
    await api.create(PODS, a_pod("db", account="gone"))
    asked = ("GET", "/api/v1/serviceaccounts")

    async with following() as surroundings:
        await settled(surroundings)
        assert asked not in api.requests

        assert await surroundings.pods_selected("shop", parse("pcsa.tier == 'one'")) is None
        assert await surroundings.next_change() == EVERYTHING
        assert await names_selected(surroundings, "pcsa.tier == 'one'") == ["web"]
        name = "pcsa.projectcalico.org/name == 'gone'"
        assert await names_selected(surroundings, name) == ["db"]


@pytest.mark.usefixtures("shop")
async def test_a_missing_right_is_named_once_and_heals(api, following, caplog):
    caplog.set_level("INFO")
    await api.create(PODS, a_pod("web"))
    api.refusals["GET", ALL_PODS] = (403, "Forbidden")

    async with following() as surroundings:
        await until(lambda: api.requests.count(("GET", ALL_PODS)) == 3)
        assert await surroundings.pods_selected("shop", parse("all()")) is None

        del api.refusals["GET", ALL_PODS]
        assert await names_selected(surroundings) == ["web"]

    (lost,) = [each for each in caplog.records if each.levelname == "WARNING"]
    assert lost.missing_right == "list and watch pods of all namespaces"
    assert caplog.records[-1].message == "in sight again"


@pytest.mark.usefixtures("shop")
async def test_what_was_seen_is_known_while_the_cluster_is_away(api, following, caplog):
    caplog.set_level("INFO")
    await api.create(PODS, a_pod("web"))
    async with following() as surroundings:
        await settled(surroundings)
        await api.go_out()
        await until(lambda: [each.message for each in caplog.records].count("out of sight") == 3)

        assert await names_selected(surroundings) == ["web"]


async def test_nodes_may_be_silent_or_gone(api, following, silence):
    await api.create(NODES, {"metadata": {"name": "n1"}})
    silence.since["n2"] = NOON
    async with following() as surroundings:
        assert surroundings.node("n1") == NodeView(is_heard=True)
        await changes_until(surroundings, is_gone("n2"))

        assert surroundings.node("n1") == NodeView(is_present=True, is_heard=True)
        assert surroundings.node("n2") == NodeView(silent_since=NOON, gone_since=NOON)

        await api.delete(f"{NODES}/n1")
        await changes_until(surroundings, is_gone("n1"))
