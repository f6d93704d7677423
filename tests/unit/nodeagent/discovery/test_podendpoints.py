import pytest

from nodeagent.discovery.endpoints import EndpointPort, HostTap, PodTap, ProcessId
from nodeagent.discovery.link import Link
from nodeagent.discovery.pod import Pod
from nodeagent.discovery.podendpoints import (
    MAX_INTERFACES,
    Interior,
    host_endpoints,
    interior_endpoints,
    problem_endpoint,
)

PORTS = (EndpointPort("http", 6, 80),)
POD = Pod(
    namespace="shop",
    name="web",
    uid="u1",
    node="n1",
    labels={},
    service_account="default",
    is_on_host_network=False,
    is_terminating=False,
    cgroup_uid="u1",
    ports=PORTS,
)
LABELS = {"app": "web"}
PROCESS = ProcessId(7, 70)


def inside(*links):
    return list(interior_endpoints(POD, LABELS, Interior(PROCESS, 99, links)))


def a_link(index, name="", *, up=True):
    return Link(name or f"eth{index}", index, up)


def test_each_of_the_nodes_links_is_an_endpoint():
    found = list(host_endpoints(POD, LABELS, [a_link(4, "veth4"), a_link(9, "veth9")]))

    assert [(each.interface, each.tap) for each in found] == [
        ("veth4", HostTap(4)),
        ("veth9", HostTap(9)),
    ]
    assert {(each.namespace, each.pod, each.pod_uid) for each in found} == {("shop", "web", "u1")}
    assert (found[0].labels, found[0].ports) == (LABELS, PORTS)


def test_within_a_pod_what_is_up_is_an_endpoint_but_the_loopback():
    loopback = Link("lo", 1, up=True, is_loopback=True)

    (found,) = inside(loopback, a_link(2), a_link(3, "tunl0", up=False))

    assert (found.interface, found.tap) == ("eth2", PodTap(2, PROCESS, 99))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("a\x1b[31m", id="moves the cursor"),
        pytest.param("\u202eeth", id="turns the line around"),
        pytest.param("\udcff", id="bytes that are no text"),
    ],
)
def test_a_name_that_is_no_plain_text_is_a_problem_and_no_file(name):
    good, bad = inside(a_link(2), a_link(3, name))

    assert good.interface == "eth2"
    assert bad.interface == ""
    assert "no plain text" in bad.problem


def test_a_pod_cannot_have_any_number_of_rings():
    *found, problem = inside(*(a_link(index) for index in range(MAX_INTERFACES + 5, 1, -1)))

    assert [each.tap.index for each in found] == list(range(2, MAX_INTERFACES + 2))
    assert "more than" in problem.problem


def test_a_problem_is_an_endpoint_without_an_interface():
    found = problem_endpoint(POD, LABELS, "why")

    assert (found.interface, found.problem, found.labels) == ("", "why", LABELS)
