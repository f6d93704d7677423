import pytest

from nodeagent.discovery.endpoints import EndpointPort
from nodeagent.discovery.pod import read_pod

HASH = "0123456789abcdef0123456789abcdef"
OWNED = [{"kind": "Node", "name": "n1"}]


def a_pod(*, spec=None, status=None, **metadata):
    return {
        "metadata": {"namespace": "shop", "name": "web", "uid": "u1", **metadata},
        "spec": {"nodeName": "n1", **(spec or {})},
        "status": status or {},
    }


def read(**parts):
    return read_pod(a_pod(**parts), node="n1")


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param({"spec": {"nodeName": "n2"}}, id="another node"),
        pytest.param({"spec": {"nodeName": None}}, id="no node yet"),
        pytest.param({"spec": {"hostNetwork": True}}, id="the node's network"),
        pytest.param({"status": {"phase": "Succeeded"}}, id="succeeded"),
        pytest.param({"status": {"phase": "Failed"}}, id="failed"),
        pytest.param({"uid": ""}, id="no uid"),
    ],
)
def test_pods_that_are_no_endpoints(parts):
    assert read(**parts) is None


def test_a_pod_is_what_the_api_says_of_it():
    pod = read(
        spec={"serviceAccountName": "robot"},
        labels={"app": "web"},
        deletionTimestamp="2026-01-02T15:00:00Z",
    )

    assert (pod.namespace, pod.name, pod.node, pod.uid) == ("shop", "web", "n1", "u1")
    assert (pod.cgroup_uid, pod.service_account, pod.is_terminating) == ("u1", "robot", True)
    assert pod.labels["app"] == "web"


def test_ports_are_those_that_containers_name():
    containers = [
        {"ports": [{"name": "http", "containerPort": 80}, {"containerPort": 81}]},
        {"ports": [{"name": "dns", "containerPort": 53, "protocol": "UDP"}]},
        {},
    ]
    init = [{"ports": [{"name": "setup", "containerPort": 90, "protocol": "SCTP"}]}]

    pod = read(spec={"containers": containers, "initContainers": init})

    assert pod.ports == (
        EndpointPort("setup", 132, 90),
        EndpointPort("http", 6, 80),
        EndpointPort("dns", 17, 53),
    )


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param({"name": "a", "containerPort": 0}, id="no number"),
        pytest.param({"name": "a", "containerPort": 70000}, id="too large"),
        pytest.param({"name": "a", "containerPort": 80, "protocol": "?"}, id="no protocol"),
        pytest.param("a", id="no object"),
    ],
)
def test_ports_that_mean_nothing_are_left_out(entry):
    assert read(spec={"containers": [{"ports": [entry]}, "a"]}).ports == ()


def test_a_mirror_pods_cgroup_is_named_after_the_static_pods_hash():
    mirror = {"kubernetes.io/config.mirror": HASH}

    pod = read(annotations=mirror, ownerReferences=OWNED)

    assert (pod.uid, pod.cgroup_uid) == ("u1", HASH)


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param({"ownerReferences": []}, id="not owned by its node"),
        pytest.param({"ownerReferences": [{"kind": "Node", "name": "n2"}]}, id="another node's"),
        pytest.param({"spec": {"serviceAccountName": "default"}}, id="with a service account"),
        pytest.param(
            {"value": "01234567-89ab-cdef-0123-456789abcdef"}, id="an ordinary pod's uid"
        ),
    ],
)
def test_an_annotation_that_anybody_may_write_shows_no_other_pods_packets(parts):
    annotations = {"kubernetes.io/config.mirror": parts.pop("value", HASH)}

    pod = read(**{"annotations": annotations, "ownerReferences": OWNED, **parts})

    assert pod.cgroup_uid == "u1"
