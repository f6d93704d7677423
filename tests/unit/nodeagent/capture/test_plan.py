from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from apiserver.resource.codec import decode_capture
from apiserver.resource.types import CaptureUID
from nodeagent.capture.plan import Phase, RingKey, make_plan
from nodeagent.discovery.endpoints import (
    BY_NAME,
    Endpoint,
    EndpointPort,
    HostTap,
    PodTap,
    ProcessId,
)

NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)
TCP = 6
IN_POD = PodTap(2, ProcessId(100, 5000), 4026532000)
UNPROVEN = "no process of the pod was found"


def capture(uid="u1", namespace="shop", **spec):
    metadata = {"namespace": namespace, "name": "http", "uid": uid, "generation": 1}
    return decode_capture({"metadata": metadata, "spec": spec})


def endpoint(pod="web", namespace="shop", ports=(), tap=BY_NAME, **labels):
    return Endpoint(
        namespace=namespace,
        pod=pod,
        pod_uid=f"uid-{pod}",
        interface=f"cali-{pod}",
        labels=labels,
        ports=ports,
        tap=tap,
    )


def unproven():
    return replace(endpoint(), interface="", problem=UNPROVEN)


def plan(captures, endpoints, links=None):
    present = {each.interface: 7 for each in endpoints} if links is None else links
    return make_plan(captures, endpoints, links=present, now=NOW)


def time(**delta):
    return (NOW + timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_selected_endpoints_run():
    made = plan(
        [capture(selector="app == 'web'")],
        [endpoint("web", app="web"), endpoint("db", app="db")],
    )

    assert list(made.rings) == [RingKey(CaptureUID("u1"), "uid-web", "cali-web")]
    assert [(each.phase, each.tap) for each in made.rings.values()] == [
        (Phase.RUNNING, HostTap(7))
    ]
    assert made.next_change is None


def test_another_namespace_is_never_selected():
    assert plan([capture(namespace="other")], [endpoint()]).rings == {}


def test_two_captures_of_one_pod_have_a_ring_each():
    assert len(plan([capture("u1"), capture("u2")], [endpoint()]).rings) == 2


@pytest.mark.parametrize(
    ("spec", "phase", "next_change"),
    [
        pytest.param({"startTime": time(hours=1)}, Phase.SCHEDULED, time(hours=1), id="to come"),
        pytest.param({"startTime": time(hours=-1)}, Phase.RUNNING, None, id="begun"),
        pytest.param({"startTime": time()}, Phase.RUNNING, None, id="begins now"),
        pytest.param({"endTime": time(hours=1)}, Phase.RUNNING, time(hours=1), id="will end"),
        pytest.param({"endTime": time()}, Phase.ENDED, None, id="ends now"),
        pytest.param({"endTime": time(hours=-1)}, Phase.ENDED, None, id="ended"),
        pytest.param(
            {"startTime": time(hours=1), "endTime": time(hours=-1)},
            Phase.ENDED,
            time(hours=1),
            id="an end in the past always ends",
        ),
    ],
)
def test_the_schedule_says_what_runs_and_when_that_changes(spec, phase, next_change):
    made = plan([capture(**spec)], [endpoint()])

    assert [each.phase for each in made.rings.values()] == [phase]
    expected = None if next_change is None else datetime.fromisoformat(next_change)
    assert made.next_change == expected


def test_an_endpoint_without_its_interface_is_blocked_and_says_so():
    made = plan([capture()], [endpoint("web")], links={})

    (planned,) = made.rings.values()
    assert planned.phase is Phase.BLOCKED
    assert "cali-web" in planned.message


@pytest.mark.parametrize(
    ("tap", "links", "runs_on"),
    [
        pytest.param(BY_NAME, {"cali-web": 7}, HostTap(7), id="by its name"),
        pytest.param(HostTap(7), {"cali-web": 7}, HostTap(7), id="the link that was proven"),
        pytest.param(IN_POD, {}, IN_POD, id="inside the pod, whatever the node has"),
        pytest.param(
            IN_POD, {"cali-web": 7}, IN_POD, id="inside the pod, with a namesake outside"
        ),
    ],
)
def test_an_endpoint_runs_on_its_tap(tap, links, runs_on):
    made = plan([capture()], [endpoint(tap=tap)], links=links)

    assert [(each.phase, each.tap) for each in made.rings.values()] == [(Phase.RUNNING, runs_on)]


@pytest.mark.parametrize(
    ("links", "message"),
    [
        pytest.param({}, "interface cali-web does not exist on this node", id="gone"),
        pytest.param({"new": 7}, "interface cali-web does not exist on this node", id="renamed"),
        pytest.param(
            {"cali-web": 8},
            "interface cali-web is not the one that was proven to be the pod's",
            id="another one of its name",
        ),
    ],
)
def test_a_proven_link_that_is_not_there_under_its_name_is_blocked(links, message):
    made = plan([capture()], [endpoint(tap=HostTap(7))], links=links)

    (planned,) = made.rings.values()
    assert (planned.phase, planned.message) == (Phase.BLOCKED, message)


@pytest.mark.parametrize(
    ("spec", "phase", "message"),
    [
        pytest.param({}, Phase.BLOCKED, UNPROVEN, id="now"),
        pytest.param({"startTime": time(hours=1)}, Phase.SCHEDULED, "", id="before the start"),
        pytest.param({"endTime": time(hours=-1)}, Phase.ENDED, "", id="after the end"),
    ],
)
def test_a_problem_blocks_what_would_run_now(spec, phase, message):
    made = plan([capture(**spec)], [unproven()])

    assert list(made.rings) == [RingKey(CaptureUID("u1"), "uid-web", "")]
    assert [(each.phase, each.message) for each in made.rings.values()] == [(phase, message)]


def test_a_problem_blocks_even_where_the_interface_is_there():
    known = replace(endpoint(tap=HostTap(7)), problem="two pods claim it")

    made = plan([capture()], [known], links={"cali-web": 7})

    (planned,) = made.rings.values()
    assert (planned.phase, planned.message) == (Phase.BLOCKED, "two pods claim it")


def test_interfaces_of_one_pod_have_a_ring_each():
    made = plan(
        [capture()], [replace(endpoint(tap=IN_POD), interface=f"eth{i}") for i in range(3)]
    )

    assert [key.interface for key in made.rings] == ["eth0", "eth1", "eth2"]


def test_each_endpoint_resolves_named_ports_by_itself():
    one = endpoint("one", ports=(EndpointPort("http", TCP, 8080),))
    two = endpoint("two", ports=(EndpointPort("http", TCP, 9090),))

    made = plan([capture(filters=[{"protocol": "TCP", "ports": ["http"]}])], [one, two])

    filters = {key.pod_uid: each.filter for key, each in made.rings.items()}
    assert "8080" in filters["uid-one"]
    assert "9090" not in filters["uid-one"]
    assert "9090" in filters["uid-two"]


def test_a_named_port_that_the_pod_lacks_captures_nothing():
    made = plan([capture(filters=[{"protocol": "TCP", "ports": ["http"]}])], [endpoint()])

    (planned,) = made.rings.values()
    assert (planned.phase, planned.reason) == (Phase.ENDED, "NoMatch")
