from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from apiserver.resource.spec.codec import decode_capture
from apiserver.resource.types import CaptureUID, Limits
from nodeagent.capture.plan import Activity, Progress, RingKey, make_plan
from nodeagent.capture.selection import Selections
from nodeagent.discovery.endpoints import (
    BY_NAME,
    Endpoint,
    EndpointPort,
    HostTap,
    PodTap,
    ProcessId,
)
from nodeagent.files.pressure import Pressure

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


def limited_capture(limits, **spec):
    made = capture(**spec)
    return replace(made, spec=replace(made.spec, limits=limits))


def plan(captures, endpoints, links=None, **others):
    present = {each.interface: 7 for each in endpoints} if links is None else links
    return make_plan(captures, Selections(endpoints), links=present, now=NOW, **others)


def time(**delta):
    return (NOW + timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_selected_endpoints_run():
    made = plan(
        [capture(selector="app == 'web'")],
        [endpoint("web", app="web"), endpoint("db", app="db")],
    )

    assert list(made.rings) == [RingKey(CaptureUID("u1"), "uid-web", "cali-web")]
    assert [(each.activity, each.tap) for each in made.rings.values()] == [
        (Activity.RUNNING, HostTap(7))
    ]
    assert made.next_change is None


def test_another_namespace_is_never_selected():
    assert plan([capture(namespace="other")], [endpoint()]).rings == {}


def test_two_captures_of_one_pod_have_a_ring_each():
    assert len(plan([capture("u1"), capture("u2")], [endpoint()]).rings) == 2


@pytest.mark.parametrize(
    ("spec", "activity", "next_change"),
    [
        pytest.param(
            {"startTime": time(hours=1)}, Activity.SCHEDULED, time(hours=1), id="to come"
        ),
        pytest.param({"startTime": time(hours=-1)}, Activity.RUNNING, None, id="begun"),
        pytest.param({"startTime": time()}, Activity.RUNNING, None, id="begins now"),
        pytest.param({"endTime": time(hours=1)}, Activity.RUNNING, time(hours=1), id="will end"),
        pytest.param({"endTime": time()}, Activity.ENDED, None, id="ends now"),
        pytest.param({"endTime": time(hours=-1)}, Activity.ENDED, None, id="ended"),
        pytest.param(
            {"startTime": time(hours=1), "endTime": time(hours=-1)},
            Activity.ENDED,
            time(hours=1),
            id="an end in the past always ends",
        ),
    ],
)
def test_the_schedule_says_what_runs_and_when_that_changes(spec, activity, next_change):
    made = plan([capture(**spec)], [endpoint()])

    assert [each.activity for each in made.rings.values()] == [activity]
    expected = None if next_change is None else datetime.fromisoformat(next_change)
    assert made.next_change == expected


def test_an_endpoint_without_its_interface_is_blocked_and_says_so():
    made = plan([capture()], [endpoint("web")], links={})

    (planned,) = made.rings.values()
    assert planned.activity is Activity.BLOCKED
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

    assert [(each.activity, each.tap) for each in made.rings.values()] == [
        (Activity.RUNNING, runs_on)
    ]


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
    assert (planned.activity, planned.message) == (Activity.BLOCKED, message)


@pytest.mark.parametrize(
    ("spec", "activity", "message"),
    [
        pytest.param({}, Activity.BLOCKED, UNPROVEN, id="now"),
        pytest.param({"startTime": time(hours=1)}, Activity.SCHEDULED, "", id="before the start"),
        pytest.param({"endTime": time(hours=-1)}, Activity.ENDED, "", id="after the end"),
    ],
)
def test_a_problem_blocks_what_would_run_now(spec, activity, message):
    made = plan([capture(**spec)], [unproven()])

    assert list(made.rings) == [RingKey(CaptureUID("u1"), "uid-web", "")]
    assert [(each.activity, each.message) for each in made.rings.values()] == [(activity, message)]


def test_a_problem_blocks_even_where_the_interface_is_there():
    known = replace(endpoint(tap=HostTap(7)), problem="two pods claim it")

    made = plan([capture()], [known], links={"cali-web": 7})

    (planned,) = made.rings.values()
    assert (planned.activity, planned.message) == (Activity.BLOCKED, "two pods claim it")


def test_interfaces_of_one_pod_have_a_ring_each():
    made = plan(
        [capture()], [replace(endpoint(tap=IN_POD), interface=f"eth{i}") for i in range(3)]
    )

    assert [key.interface for key in made.rings] == ["eth0", "eth1", "eth2"]


def test_each_endpoint_resolves_named_ports_by_itself():
    one = endpoint("one", ports=(EndpointPort("http", TCP, 8080),))
    two = endpoint("two", ports=(EndpointPort("http", TCP, 9090),))

    made = plan([capture(filters=[{"protocol": "TCP", "ports": ["http"]}])], [one, two])

    filters = {key.pod_uid: str(each.filter) for key, each in made.rings.items()}
    assert "8080" in filters["uid-one"]
    assert "9090" not in filters["uid-one"]
    assert "9090" in filters["uid-two"]


def test_trap_18_a_named_port_that_the_pod_lacks_captures_nothing():
    made = plan([capture(filters=[{"protocol": "TCP", "ports": ["http"]}])], [endpoint()])

    (planned,) = made.rings.values()
    assert (planned.activity, planned.reason) == (Activity.ENDED, "NoMatch")


def going(*, packets=0, captured=0, seconds=0.0, is_running=True):
    return lambda _: Progress(packets, captured, seconds, is_running)


@pytest.mark.parametrize(
    ("limits", "progress", "reason"),
    [
        pytest.param(Limits(packets=100), going(packets=99), None, id="one packet left"),
        pytest.param(Limits(packets=100), going(packets=100), "PacketLimit", id="packets"),
        pytest.param(Limits(bytes=5000), going(captured=5100), "ByteLimit", id="bytes"),
        pytest.param(
            Limits(duration=timedelta(seconds=60)), going(seconds=59.9), None, id="time left"
        ),
        pytest.param(
            Limits(duration=timedelta(seconds=60)),
            going(seconds=60.0),
            "DurationLimit",
            id="duration",
        ),
        pytest.param(Limits(), going(packets=10**9, captured=10**12), None, id="no limit"),
    ],
)
def test_a_limit_that_is_reached_ends_an_endpoint(limits, progress, reason):
    limited = limited_capture(limits)

    made = plan([limited], [endpoint()], progress=progress)

    (planned,) = made.rings.values()
    assert planned.reason == reason
    assert planned.activity is (Activity.ENDED if reason else Activity.RUNNING)


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({}, id="nothing else"),
        pytest.param({"startTime": time(hours=1)}, id="a start to come"),
        pytest.param({"endTime": time(hours=1)}, id="an end to come"),
        pytest.param({"selector": "has(app)"}, id="another selector"),
    ],
)
def test_what_reached_its_limit_stays_ended_whatever_else_is_edited(spec):
    limited = limited_capture(Limits(packets=100), **spec)

    made = plan([limited], [endpoint(app="web")], progress=going(packets=100, is_running=False))

    assert [each.reason for each in made.rings.values()] == ["PacketLimit"]


def test_an_end_in_the_past_is_the_reason_before_any_limit():
    limited = limited_capture(Limits(packets=100), endTime=time(hours=-1))

    made = plan([limited], [endpoint()], progress=going(packets=100))

    assert [each.reason for each in made.rings.values()] == ["EndTime"]


def test_limits_are_each_endpoints_own():
    limited = limited_capture(Limits(packets=100))
    done = {"uid-one": Progress(packets=100)}

    made = plan(
        [limited],
        [endpoint("one"), endpoint("two")],
        progress=lambda key: done.get(key.pod_uid, Progress()),
    )

    activities = {key.pod_uid: each.activity for key, each in made.rings.items()}
    assert activities == {"uid-one": Activity.ENDED, "uid-two": Activity.RUNNING}


def test_a_duration_ends_when_the_rest_of_it_has_run():
    limited = limited_capture(Limits(duration=timedelta(seconds=60)))

    made = plan([limited], [endpoint()], progress=going(seconds=45.5))

    assert made.next_change == NOW + timedelta(seconds=14.5)
    assert made.is_passing


def test_a_duration_does_not_run_while_the_endpoint_does_not():
    limited = limited_capture(Limits(duration=timedelta(seconds=60)))

    made = plan([limited], [endpoint()], progress=going(seconds=45.5, is_running=False))

    assert made.next_change is None


def test_an_end_in_the_past_still_has_the_clock_looked_at():
    assert plan([capture(endTime=time(hours=-1))], [endpoint()]).is_passing
    assert not plan([capture()], [endpoint()]).is_passing


def test_beyond_so_many_endpoints_of_a_capture_none_is_begun_and_it_says_so():
    made = plan([capture()], [endpoint(f"web{i}") for i in range(5)], max_endpoints=3)

    blocked = [each for each in made.rings.values() if each.activity is Activity.BLOCKED]
    assert [each.endpoint.pod for each in blocked] == ["web3", "web4"]
    assert {each.message for each in blocked} == {
        "this node captures no more than 3 endpoints of one capture"
    }


@pytest.mark.parametrize(
    "progress",
    [
        pytest.param(Progress(is_running=True), id="now"),
        pytest.param(Progress(seconds=5.0), id="before the agent began anew"),
    ],
)
def test_those_that_run_already_keep_their_places(progress):
    made = plan(
        [capture()],
        [endpoint("new"), endpoint("old")],
        progress=lambda key: progress if key.pod_uid == "uid-old" else Progress(),
        max_endpoints=1,
    )

    activities = {key.pod_uid: each.activity for key, each in made.rings.items()}
    assert activities == {"uid-new": Activity.BLOCKED, "uid-old": Activity.RUNNING}


def test_every_capture_has_places_of_its_own():
    made = plan([capture("u1"), capture("u2")], [endpoint()], max_endpoints=1)

    assert [each.activity for each in made.rings.values()] == [Activity.RUNNING, Activity.RUNNING]


@pytest.mark.parametrize(
    ("pressure", "activity", "reason"),
    [
        pytest.param(Pressure("no room"), Activity.BLOCKED, "DiskPressure", id="everywhere"),
        pytest.param(
            Pressure(namespaces=(("shop", "no room"),)),
            Activity.BLOCKED,
            "DiskPressure",
            id="in its namespace",
        ),
        pytest.param(
            Pressure(namespaces=(("bank", "no room"),)), Activity.RUNNING, None, id="in another"
        ),
    ],
)
def test_nothing_runs_where_there_is_no_room(pressure, activity, reason):
    (planned,) = plan([capture()], [endpoint()], pressure=pressure).rings.values()

    assert (planned.activity, planned.reason) == (activity, reason)
    assert planned.message == ("no room" if reason else "")


@pytest.mark.parametrize(
    ("spec", "activity"),
    [
        pytest.param({"endTime": time(hours=-1)}, Activity.ENDED, id="ended"),
        pytest.param({"startTime": time(hours=1)}, Activity.SCHEDULED, id="scheduled"),
    ],
)
def test_what_would_not_run_anyway_is_as_it_was_where_there_is_no_room(spec, activity):
    made = plan([capture(**spec)], [endpoint()], pressure=Pressure("no room"))

    assert [each.activity for each in made.rings.values()] == [activity]
