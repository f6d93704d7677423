import pytest

from apiserver.jsontypes import JsonObject, object_at, text_at
from apiserver.resource.filenames import CaptureFile, render
from nodeagent.discovery.endpoints import (
    Endpoint,
    EndpointPort,
    InvalidEndpointsError,
    parse_endpoints,
)


def a_document(**spec) -> JsonObject:
    return {
        "apiVersion": "projectcalico.org/v3",
        "kind": "WorkloadEndpoint",
        "metadata": {
            "name": "node--1-k8s-web-eth0",
            "namespace": "shop",
            "labels": {"app": "web", "projectcalico.org/namespace": "faked", "pcns.team": "faked"},
        },
        "spec": {
            "node": "node-1",
            "orchestrator": "k8s",
            "pod": "web",
            "endpoint": "eth0",
            "interfaceName": "cali1",
            "ipNetworks": ["10.0.0.1/32"],
            "mac": "aa:bb:cc:dd:ee:ff",
            "serviceAccountName": "robot",
            "ports": [
                {"name": "http", "port": 80, "protocol": "TCP"},
                {"name": "dns", "port": 53, "protocol": "UDP"},
                {"name": "dns", "port": 53, "protocol": "TCP"},
                {"name": "", "port": 9, "protocol": "TCP", "hostPort": 1},
            ],
            **spec,
        },
    }


def parse_one(document):
    (endpoint,) = parse_endpoints([document], node="node-1")
    return endpoint


def problems(*documents):
    with pytest.raises(InvalidEndpointsError) as caught:
        parse_endpoints(documents, node="node-1")
    return [(each.document, each.error.field) for each in caught.value.problems]


def test_a_document_as_calico_writes_it():
    endpoint = parse_one(a_document())

    assert (endpoint.namespace, endpoint.pod, endpoint.interface) == ("shop", "web", "cali1")
    assert endpoint.ports == (
        EndpointPort("http", 6, 80),
        EndpointPort("dns", 17, 53),
        EndpointPort("dns", 6, 53),
    )


def test_trap_29_files_are_named_after_the_pod_and_not_after_its_endpoint():
    endpoint = parse_one(a_document())

    assert render(CaptureFile(endpoint.pod, endpoint.interface)) == "web_cali1.pcap"


def test_selectors_see_the_pods_labels_without_faked_ones():
    assert parse_one(a_document()).labels == {
        "app": "web",
        "projectcalico.org/namespace": "shop",
        "projectcalico.org/orchestrator": "k8s",
        "projectcalico.org/serviceaccount": "robot",
    }


def test_a_pod_without_service_account_has_no_label_for_it():
    assert (
        "projectcalico.org/serviceaccount"
        not in parse_one(a_document(serviceAccountName="")).labels
    )


def test_named_ports_are_found_with_and_without_protocol():
    assert parse_one(a_document()).named_ports == {
        ("http", 6): {80},
        ("http", None): {80},
        ("dns", 17): {53},
        ("dns", 6): {53},
        ("dns", None): {53},
    }


def test_a_pod_has_the_uid_of_its_document():
    document = a_document()
    object_at(document, "metadata")["uid"] = "u-1"

    assert parse_one(document).pod_uid == "u-1"


def test_without_a_uid_it_is_the_same_for_one_pod_and_never_for_two():
    one, same = parse_one(a_document()), parse_one(a_document(interfaceName="cali2"))
    other = parse_one(a_document(pod="web-2"))

    assert one.pod_uid == same.pod_uid
    assert one.pod_uid != other.pod_uid


def test_the_made_up_uid_never_changes_as_files_depend_on_it():
    assert parse_one(a_document()).pod_uid == "f09256f2-0205-5a42-95d2-976419846cdf"


def test_other_nodes_are_left_out():
    assert parse_endpoints([a_document(node="node-2", pod=None)], node="node-1") == ()


def test_lists_and_empty_documents_are_taken_apart():
    listed: JsonObject = {
        "kind": "List",
        "items": [a_document(), a_document(interfaceName="cali2")],
    }
    more: JsonObject = {
        "kind": "WorkloadEndpointList",
        "items": [a_document(interfaceName="cali3")],
    }

    found = parse_endpoints([None, listed, more], node="node-1")

    assert [each.interface for each in found] == ["cali1", "cali2", "cali3"]


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        pytest.param(("apiVersion",), "v1", "apiVersion", id="another group"),
        pytest.param(("kind",), "Pod", "kind", id="another kind"),
        pytest.param(("kind",), None, "kind", id="no kind"),
        pytest.param(("metadata", "namespace"), None, "metadata.namespace", id="no namespace"),
        pytest.param(("metadata", "namespace"), "a/b", "metadata.namespace", id="a path"),
        pytest.param(("metadata", "labels"), {"n": 1}, "metadata.labels[n]", id="label"),
        pytest.param(("spec", "node"), 1, "spec.node", id="node"),
        pytest.param(("spec", "pod"), "", "spec.pod", id="no pod"),
        pytest.param(("spec", "pod"), "..", "spec.pod", id="pod that climbs"),
        pytest.param(("spec", "interfaceName"), None, "spec.interfaceName", id="no interface"),
        pytest.param(("spec", "interfaceName"), "x" * 16, "spec.interfaceName", id="too long"),
        pytest.param(("spec", "interfaceName"), "a b", "spec.interfaceName", id="blank"),
        pytest.param(("spec", "ports"), ["http"], "spec.ports[0]", id="port is text"),
        pytest.param(
            ("spec", "ports"), [{"name": "a", "port": 0}], "spec.ports[0].port", id="port 0"
        ),
        pytest.param(
            ("spec", "ports"), [{"name": "a", "port": True}], "spec.ports[0].port", id="port true"
        ),
        pytest.param(
            ("spec", "ports"),
            [{"name": "a", "port": 1, "protocol": "XYZ"}],
            "spec.ports[0].protocol",
            id="protocol",
        ),
        pytest.param(
            ("spec", "ports"),
            [{"name": "a", "port": 1, "protocol": None}],
            "spec.ports[0].protocol",
            id="null protocol",
        ),
    ],
)
def test_what_is_wrong_is_said_with_document_and_field(path, value, field):
    document = a_document()
    *parents, last = path
    inner = object_at(document, parents[0]) if parents else document
    inner[last] = value
    title = f"{text_at(object_at(document, 'metadata'), 'namespace')}/node--1-k8s-web-eth0"

    assert problems(document) == [(title, field)]


def test_all_that_is_wrong_is_said_at_once():
    bad = a_document(pod="", ports=[{"name": "a", "port": 0}])

    assert problems("text", bad) == [
        ("document 1", ""),
        ("shop/node--1-k8s-web-eth0", "spec.pod"),
        ("shop/node--1-k8s-web-eth0", "spec.ports[0].port"),
    ]


def test_an_interface_has_one_owner():
    assert problems(a_document(), a_document(pod="other")) == [
        ("shop/node--1-k8s-web-eth0", "spec.interfaceName")
    ]


def test_an_endpoint_is_a_value():
    endpoint = Endpoint("ns", "pod", "uid", "eth0", {"a": "b"})

    assert hash(endpoint) == hash(Endpoint("ns", "pod", "uid", "eth0", {"a": "b"}))
