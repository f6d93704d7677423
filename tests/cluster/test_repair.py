"""What goes wrong around the server is put right by it, or told with what to do; it never ends of it."""

import json
from base64 import b64decode, b64encode
from http import HTTPStatus

import pytest

from apiserver.serving.clock import utc_now
from tests.cluster.callers import Caller, administrator, kube_apiserver, trusted_authority
from tests.cluster.install import MANIFESTS, NAMESPACE, install
from tests.cluster.operating import (
    APISERVICE,
    SECRET,
    TRUST,
    get_apiservice,
    is_available,
    readiness,
    restarts,
    start_server,
    stop_server,
    until_apiservice,
    until_logged,
)
from tests.support.client import collection

HERE = f"--namespace={NAMESPACE}"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets?fieldSelector=metadata.name%3Dpacketcapture-ca"
CONFIG_MAPS = (
    f"/api/v1/namespaces/{NAMESPACE}/configmaps?fieldSelector=metadata.name%3Dpacketcapture-trust"
)
DELEGATION = "clusterrolebinding/packetcapture-apiserver:auth-delegator"
READER = "rolebinding/packetcapture-apiserver:extension-apiserver-authentication-reader"
FRONT_PROXY = "configmap/extension-apiserver-authentication"

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def running(workshop):
    """The product, which works at the end, and no process of which has ended by itself."""
    yield workshop
    until_apiservice(workshop, is_available)
    assert administrator(workshop).get(collection()).code == HTTPStatus.OK
    assert restarts(workshop) == 0


@pytest.fixture
def until_said(running):
    """Wait for a line of the log; what tests before have brought about does not count."""
    began = utc_now()
    return lambda said: until_logged(running, said, since=began)


@pytest.fixture
def deprived(running):
    """The product, which gets back what a test takes from it by applying it again."""
    yield running
    install(running)


def patch(cluster, resource, document, *flags):
    cluster.kubectl("patch", resource, "--type=merge", f"--patch={json.dumps(document)}", *flags)


def secret(cluster):
    return cluster.get(SECRET, HERE)["data"]


def bundle(document):
    return b64decode(document["spec"].get("caBundle", ""))


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param({"caBundle": "d3Jvbmc="}, id="no certificate"),
        pytest.param({"caBundle": None}, id="none"),
        pytest.param({"caBundle": None, "insecureSkipTLSVerify": True}, id="not verified"),
        pytest.param({"caBundle": "STRANGER"}, id="another CA"),
    ],
)
def test_a_bundle_edited_by_hand_is_put_right(running, edit, until_said):
    before = get_apiservice(running)["spec"]
    if edit["caBundle"] == "STRANGER":
        stranger = running.authorities.stranger.certificate
        edit = {"caBundle": b64encode(stranger).decode()}

    patch(running, APISERVICE, {"spec": edit})

    until_apiservice(running, lambda found: found["spec"] == before)
    told = until_said(says("the APIService is put right"))
    assert "spec.caBundle" in told["changed"]


def test_an_apiservice_that_is_deleted_is_made_again(running):
    before = get_apiservice(running)

    running.kubectl("delete", APISERVICE)

    made = until_apiservice(running, lambda it: uid(it) != uid(before) and is_available(it))
    assert made["spec"] == before["spec"]
    assert made["metadata"]["ownerReferences"] == before["metadata"]["ownerReferences"]


def uid(document):
    return document["metadata"]["uid"]


def test_a_trust_configmap_that_is_deleted_is_made_again(running):
    before = running.get(TRUST, HERE)

    running.kubectl("delete", TRUST, HERE)

    made = running.until(CONFIG_MAPS, lambda it: uid(it) != uid(before))
    assert made["data"] == before["data"]


def test_a_secret_that_is_deleted_comes_back_with_the_same_ca(running, until_said):
    before = running.get(SECRET, HERE)

    running.kubectl("delete", SECRET, HERE)

    made = running.until(SECRETS, lambda it: uid(it) != uid(before))
    assert made["data"] == before["data"]
    until_logged(
        running, lambda line: line["message"].startswith("the CA is gone from its Secret")
    )


def test_a_secret_broken_by_hand_stays_until_somebody_deletes_it_and_the_ca_goes_on(
    running, until_said
):
    before = secret(running)

    patch(running, SECRET, {"data": {"ca.crt": "d3Jvbmc="}}, HERE)

    told = until_said(lambda line: SECRET.split("/")[1] in line.get("problem", ""))
    assert "cannot be used (not certificates in PEM)" in told["problem"]
    assert "delete it, and the CA that is in use is put back" in told["problem"]
    assert readiness(running) == {}
    running.kubectl("delete", SECRET, HERE)
    running.until(SECRETS, lambda it: it["data"] == before)


def test_a_server_that_starts_with_a_broken_secret_says_so_and_makes_a_ca_when_it_is_deleted(
    running,
):
    stop_server(running)
    patch(running, SECRET, {"data": {"ca.key": "d3Jvbmc="}}, HERE)

    start_server(running)

    told = until_logged(running, lambda line: SECRET.split("/")[1] in line.get("problem", ""))
    assert "delete it, and a new CA is made" in told["problem"]
    # It has no certificate that could be verified, and is asked all the same.
    assert "certificate-authority" in readiness(running)
    before = trusted_authority(running)
    running.kubectl("delete", SECRET, HERE)
    running.until(CONFIG_MAPS, lambda it: it["data"]["ca.crt"].encode() != before)


def test_without_the_front_proxys_ca_a_server_is_not_ready_and_says_which_role_it_needs(deprived):
    stop_server(deprived)
    deprived.kubectl("delete", READER, "--namespace=kube-system")

    start_server(deprived)

    told = until_logged(deprived, says("authentication is not configured"))
    assert "extension-apiserver-authentication cannot be read: 403" in told["problem"]
    assert "needs Role extension-apiserver-authentication-reader" in told["problem"]
    until_apiservice(deprived, lambda it: not is_available(it))
    assert restarts(deprived) == 0


def test_a_configmap_of_the_front_proxys_ca_that_is_deleted_takes_nothing_away(
    running, until_said
):
    running.kubectl("delete", FRONT_PROXY, "--namespace=kube-system")

    until_said(says("authentication stays as it was"))

    assert administrator(running).get(collection()).code == HTTPStatus.OK
    assert readiness(running) == {}


def test_a_server_that_starts_without_its_right_to_ask_is_not_ready_and_says_so(deprived):
    stop_server(deprived)
    deprived.kubectl("delete", DELEGATION)

    start_server(deprived)

    until_logged(deprived, lambda line: "may not create" in line.get("problem", ""))
    assert readiness(deprived)["delegation"] == (
        "ServiceAccount of this server: may not create tokenreviews and subjectaccessreviews, so"
        " nobody's rights are known. Bind ClusterRole system:auth-delegator to it"
    )


def test_a_server_that_loses_its_right_to_ask_lets_nobody_in_and_says_why(
    deprived, somebody, until_said
):
    deprived.kubectl("delete", DELEGATION)

    refused = until_answered(somebody, HTTPStatus.INTERNAL_SERVER_ERROR)

    assert "needs ClusterRole system:auth-delegator" in refused.json["message"]
    told = until_said(says("reviews fail"))
    assert "needs ClusterRole system:auth-delegator" in told["error"]
    deprived.kubectl("apply", "-k", str(MANIFESTS))
    until_answered(somebody, HTTPStatus.NOT_FOUND)


@pytest.fixture
def somebody(running):
    """A user who may see captures in one namespace."""
    role = ("rolebinding/somebody", "--namespace=default")
    running.kubectl(
        "create", "rolebinding", "somebody", "--clusterrole=edit", "--user=somebody", role[1]
    )
    yield Caller(kube_apiserver(running), running.authorities.cluster.issue("somebody"))
    running.kubectl("delete", *role)


def until_answered(caller, code):
    """Ask for one object after the other, as answers are remembered, until one brings this code."""
    answers = (caller.get(collection("default", f"object-{number}")) for number in range(1000))
    return next(each for each in answers if each.code == code)


def says(sentence):
    """Return whether a line of a log has this sentence."""
    return lambda line: line["message"] == sentence
