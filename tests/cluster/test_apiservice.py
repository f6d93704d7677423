"""The APIService is made where there is none, and nobody's is taken who was there before."""

import json
import re
from base64 import b64decode
from contextlib import contextmanager

import pytest
import yaml

from tests.cluster.callers import trusted_authority
from tests.cluster.install import MANIFESTS, NAMESPACE, add_volume, install
from tests.cluster.operating import (
    APISERVICE,
    get_apiservice,
    holder,
    is_available,
    readiness,
    restarts,
    start_server,
    stop_server,
    until_apiservice,
    until_logged,
    write_overlay,
)
from tests.cluster.workloads import Document
from tests.support.client import collection

OURS = (NAMESPACE, "packetcapture-apiserver")
SECOND = "packetcapture-second"
THEIRS = (SECOND, "second-apiserver")
STATIC = MANIFESTS / "components/static-apiservice"

FOREIGN: Document = {
    "apiVersion": "apiregistration.k8s.io/v1",
    "kind": "APIService",
    "metadata": {"name": "v3.projectcalico.org"},
    "spec": {
        "group": "projectcalico.org",
        "version": "v3",
        "groupPriorityMinimum": 1500,
        "versionPriority": 200,
        "insecureSkipTLSVerify": True,
        "service": {"namespace": "calico-api", "name": "calico-apiserver", "port": 443},
    },
}

CRD: Document = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "packetcaptures.projectcalico.org"},
    "spec": {
        "group": "projectcalico.org",
        "scope": "Namespaced",
        "names": {
            "kind": "PacketCapture",
            "plural": "packetcaptures",
            "singular": "packetcapture",
        },
        "versions": [
            {
                "name": "v3",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                    }
                },
            }
        ],
    },
}

pytestmark = pytest.mark.timeout(240)


def is_ours(apiservice):
    """Tell whether kube-apiserver has found our server behind it, and not just it itself before."""
    return holder(apiservice) == OURS and is_available(apiservice)


@pytest.fixture
def unregistered(installed):
    """The product with its server stopped and without the APIService."""
    stop_server(installed)
    installed.kubectl("delete", APISERVICE)
    yield installed
    # What a test has put in its place goes, so that the server makes its own again.
    if holder(get_apiservice(installed)) != OURS or is_static(get_apiservice(installed)):
        installed.kubectl("delete", APISERVICE)


def is_static(apiservice):
    return "ownerReferences" not in apiservice["metadata"]


def test_an_apiservice_of_somebody_else_is_named_and_let_be_and_ours_comes_when_it_goes(
    unregistered,
):
    unregistered.kubectl("create", "-f-", input=json.dumps(FOREIGN))

    start_server(unregistered)
    until_logged(unregistered, lambda line: names(line, "calico-apiserver"))

    reason = readiness(unregistered)["apiservice"]
    assert "the Service calico-apiserver in namespace calico-api" in reason
    assert "--take-over" in reason
    assert get_apiservice(unregistered)["spec"] == FOREIGN["spec"]
    assert restarts(unregistered) == 0
    unregistered.kubectl("delete", APISERVICE)
    until_apiservice(unregistered, is_ours)


def names(line, who):
    return line["level"] == "warning" and who in line.get("problem", "")


def test_an_apiservice_of_crds_is_named_and_let_be_until_taking_over_is_asked_for(
    unregistered, tmp_path
):
    unregistered.kubectl("create", "-f-", input=json.dumps(CRD))
    unregistered.wait("condition=Established", f"crd/{CRD['metadata']['name']}")
    until_apiservice(unregistered, lambda it: is_available(it, reason="Local"))

    start_server(unregistered)
    until_logged(unregistered, lambda line: names(line, "CustomResourceDefinitions"))

    assert "--take-over" in readiness(unregistered)["apiservice"]
    assert holder(get_apiservice(unregistered)) == ("", "")
    assert restarts(unregistered) == 0

    install(unregistered, manifests=write_overlay(tmp_path / "overlay", flags=["--take-over"]))
    until_apiservice(unregistered, is_ours)
    unregistered.kubectl("delete", "-f-", input=json.dumps(CRD))
    assert json.loads(unregistered.kubectl("get", "--raw", collection()).stdout)["kind"] == (
        "PacketCaptureList"
    )


def test_of_a_static_apiservice_the_server_keeps_the_bundle_right_and_nothing_else(
    unregistered, tmp_path
):
    overlay = write_overlay(tmp_path / "overlay", components=[STATIC])

    install(unregistered, manifests=overlay)

    static = until_apiservice(unregistered, lambda it: has_bundle(it, unregistered))
    assert is_static(static)
    wrong = {"spec": {"caBundle": "d3Jvbmc="}}
    unregistered.kubectl("patch", APISERVICE, "--type=merge", f"--patch={json.dumps(wrong)}")
    until_apiservice(unregistered, lambda it: has_bundle(it, unregistered))
    applied = unregistered.kubectl("apply", "-k", str(overlay)).stdout
    assert "apiservice.apiregistration.k8s.io/v3.projectcalico.org unchanged" in applied


def has_bundle(apiservice, cluster):
    return b64decode(apiservice["spec"].get("caBundle", "")) == trusted_authority(cluster)


def test_of_two_installations_the_second_waits_until_the_first_has_gone(installed):
    add_volume(installed)
    before = get_apiservice(installed)
    with second_installation(installed):
        until_logged(installed, lambda line: names(line, OURS[1]), namespace=SECOND)

        assert readiness(installed, namespace=SECOND)["apiservice"].startswith(
            "APIService v3.projectcalico.org: belongs to the Service packetcapture-apiserver in"
            " namespace packetcapture."
        )
        assert get_apiservice(installed) == before
        assert readiness(installed) == {}

        stop_server(installed)
        installed.kubectl("delete", APISERVICE)
        until_apiservice(installed, lambda it: holder(it) == THEIRS and is_available(it))
        start_server(installed)
        until_logged(installed, lambda line: names(line, THEIRS[1]))
        assert restarts(installed) + restarts(installed, namespace=SECOND) == 0

    until_apiservice(installed, is_ours)


@contextmanager
def second_installation(cluster):
    """Install the product once more, with everything that has no namespace under other names."""
    rendered = cluster.kubectl("kustomize", str(MANIFESTS)).stdout
    # Its pods keep their labels, by which they are found.
    renamed = re.sub(r"(?<!/name: )packetcapture-apiserver", THEIRS[1], rendered)
    moved = re.sub(r"(namespace|\n  name): packetcapture\n", rf"\1: {SECOND}\n", renamed)
    documents = [each for each in yaml.safe_load_all(moved) if is_of_the_server(each)]
    for each in documents:
        if each["kind"] == "Deployment":
            (container,) = each["spec"]["template"]["spec"]["containers"]
            container["args"].append(f"--service-name={THEIRS[1]}")
    manifests = yaml.safe_dump_all(documents)
    cluster.kubectl("apply", "-f-", input=manifests)
    yield
    cluster.kubectl("delete", "-f-", input=manifests)


def is_of_the_server(document):
    return document["kind"] in {"Namespace", "PersistentVolumeClaim"} or (
        THEIRS[1] in document["metadata"]["name"]
    )
