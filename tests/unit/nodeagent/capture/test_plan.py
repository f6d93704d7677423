from datetime import UTC, datetime, timedelta

import pytest

from apiserver.resource.codec import decode_capture
from apiserver.resource.types import CaptureUID
from nodeagent.capture.plan import Phase, RingKey, make_plan
from nodeagent.discovery.endpoints import Endpoint, EndpointPort

NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)
TCP = 6


def capture(uid="u1", namespace="shop", **spec):
    metadata = {"namespace": namespace, "name": "http", "uid": uid, "generation": 1}
    return decode_capture({"metadata": metadata, "spec": spec})


def endpoint(pod="web", namespace="shop", ports=(), **labels):
    return Endpoint(
        namespace=namespace,
        pod=pod,
        pod_uid=f"uid-{pod}",
        interface=f"cali-{pod}",
        labels=labels,
        ports=ports,
    )


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
    assert [(each.phase, each.index) for each in made.rings.values()] == [(Phase.RUNNING, 7)]
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
