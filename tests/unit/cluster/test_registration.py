from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta

import pytest

from apiserver.cluster.registration import (
    Installation,
    ServiceReference,
    changes,
    decide,
    holder_of,
    is_leaving,
)
from apiserver.pki import new_authority

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
LIFETIME = timedelta(days=10)
BUNDLE = new_authority("ours", now=NOW, lifetime=LIFETIME).certificate
OTHER = new_authority("other", now=NOW, lifetime=LIFETIME).certificate
SERVICE = ServiceReference("packetcapture", "packetcapture-apiserver")
GOING = {"metadata": {"deletionTimestamp": "2026-01-02T12:00:00Z"}}
TERMINATING = {"metadata": {}, "status": {"phase": "Terminating"}}
THERE = {"metadata": {"uid": "u1"}, "status": {"phase": "Active"}}


def installation(**changes):
    return Installation(
        **{
            "service": SERVICE,
            "bundle": BUNDLE,
            "owner_uid": "u1",
            "is_leaving": False,
            "may_take_over": False,
            **changes,
        }
    )


def written(found, ours):
    return decide(found, ours, now=NOW).document


def made():
    return written(None, installation())


def static(**spec):
    return {
        "metadata": {"name": "v3.projectcalico.org", "resourceVersion": "7"},
        "spec": {
            "group": "projectcalico.org",
            "version": "v3",
            "groupPriorityMinimum": 1000,
            "versionPriority": 15,
            "service": {"namespace": SERVICE.namespace, "name": SERVICE.name},
            **spec,
        },
    }


def calicos():
    return static(service={"namespace": "calico-api", "name": "calico-apiserver"})


def crds():
    document = static(service=None)
    document["metadata"]["labels"] = {
        "kube-aggregator.kubernetes.io/automanaged": "true",
        "team": "a",
    }
    return document


def test_one_is_made_where_there_is_none():
    assert made() == {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {
            "name": "v3.projectcalico.org",
            "labels": {"app.kubernetes.io/managed-by": "packetcapture-apiserver"},
            "ownerReferences": [
                {
                    "apiVersion": "rbac.authorization.k8s.io/v1",
                    "kind": "ClusterRole",
                    "name": "packetcapture-apiserver",
                    "uid": "u1",
                }
            ],
        },
        "spec": {
            "group": "projectcalico.org",
            "version": "v3",
            "groupPriorityMinimum": 1500,
            "versionPriority": 200,
            "service": {
                "namespace": "packetcapture",
                "name": "packetcapture-apiserver",
                "port": 443,
            },
            "caBundle": b64encode(BUNDLE).decode(),
        },
    }


def test_without_an_owner_it_is_made_and_what_that_means_is_told():
    unowned = installation(owner_uid="")

    assert "ownerReferences" not in written(None, unowned)["metadata"]
    assert "deleted by hand" in decide(None, unowned, now=NOW).warning


def test_none_is_made_for_an_installation_that_is_being_removed():
    decision = decide(None, installation(is_leaving=True), now=NOW)

    assert decision.document is None
    assert "being removed" in decision.problem


def test_with_certificates_from_outside_none_is_made_and_none_is_touched():
    outside = installation(bundle=None)

    assert "yours to make" in decide(None, outside, now=NOW).problem
    assert decide(static(caBundle="x"), outside, now=NOW) == decide(made(), outside, now=NOW)
    assert written(static(caBundle="x"), outside) is None


def test_one_that_is_right_is_left_alone():
    decision = decide(made(), installation(), now=NOW)

    assert (decision.document, decision.problem, decision.warning) == (None, "", "")


@pytest.mark.parametrize(
    "bundle",
    [
        pytest.param(b64encode(OTHER).decode(), id="another"),
        pytest.param(b64encode(BUNDLE + OTHER).decode(), id="one too many"),
        pytest.param("%", id="no base64"),
        pytest.param(b64encode(b"x").decode(), id="no PEM"),
        pytest.param("", id="empty"),
        pytest.param(None, id="absent"),
    ],
)
def test_a_wrong_bundle_is_replaced_and_of_a_static_one_nothing_else(bundle):
    found = static(caBundle=bundle)

    document = written(found, installation())

    assert b64decode(document["spec"].pop("caBundle")) == BUNDLE
    del found["spec"]["caBundle"]
    assert document == found


def test_one_made_here_is_verified_again_after_an_edit_and_gets_its_owner_back():
    found = made()
    found["spec"] = {**found["spec"], "insecureSkipTLSVerify": True}
    del found["spec"]["caBundle"]
    found["metadata"] = {**found["metadata"], "ownerReferences": [{"uid": "old"}]}

    assert written(found, installation()) == made()


def test_a_static_one_that_is_not_to_be_verified_is_left_alone_with_a_warning():
    decision = decide(static(insecureSkipTLSVerify=True), installation(), now=NOW)

    assert decision.document is None
    assert "insecureSkipTLSVerify" in decision.warning


@pytest.mark.parametrize(
    ("found", "owner"),
    [
        pytest.param(calicos(), "calico-apiserver in namespace calico-api", id="Calico's server"),
        pytest.param(crds(), "CustomResourceDefinitions", id="CRDs"),
        pytest.param(
            static(service={"namespace": "elsewhere", "name": SERVICE.name}),
            "namespace elsewhere",
            id="another installation of ours",
        ),
    ],
)
def test_somebody_elses_is_not_touched_and_its_owner_is_named(found, owner):
    decision = decide(found, installation(), now=NOW)

    assert decision.document is None
    assert owner in decision.problem
    assert "--take-over" in decision.problem


@pytest.mark.parametrize("found", [calicos(), crds()])
def test_somebody_elses_is_taken_where_that_is_asked_for(found):
    document = written(found, installation(may_take_over=True))

    assert holder_of(document) == SERVICE
    assert document["spec"] == made()["spec"]
    assert document["metadata"]["resourceVersion"] == "7"
    assert "kube-aggregator.kubernetes.io/automanaged" not in document["metadata"]["labels"]
    assert document["metadata"]["ownerReferences"] == made()["metadata"]["ownerReferences"]


@pytest.mark.parametrize("changes", [{"bundle": None}, {"is_leaving": True}])
def test_nothing_is_taken_with_certificates_from_outside_or_at_the_end(changes):
    ours = installation(may_take_over=True, **changes)

    assert written(calicos(), ours) is None


def test_one_that_is_being_deleted_is_left_alone():
    found = static(caBundle="")
    found["metadata"]["deletionTimestamp"] = "2026-01-02T12:00:00Z"

    assert written(found, installation()) is None


def test_what_a_write_changes_is_told_by_its_fields():
    edited = made()
    edited["metadata"]["labels"] = {}
    edited["spec"] |= {"caBundle": "x", "insecureSkipTLSVerify": True}

    assert changes(edited, made()) == (
        "metadata.labels",
        "spec.caBundle",
        "spec.insecureSkipTLSVerify",
    )
    assert changes(None, made()) == ()


@pytest.mark.parametrize(
    ("namespace", "owner", "had_owner", "leaves"),
    [
        pytest.param(THERE, THERE, True, False, id="all is there"),
        pytest.param(THERE, None, False, False, id="there never was an owner"),
        pytest.param(THERE, None, True, True, id="the owner is gone"),
        pytest.param(THERE, GOING, True, True, id="the owner is going"),
        pytest.param(TERMINATING, THERE, True, True, id="the namespace is terminating"),
        pytest.param(GOING, THERE, True, True, id="the namespace is going"),
        pytest.param(None, THERE, True, True, id="the namespace is gone"),
    ],
)
def test_an_installation_leaves_with_its_namespace_or_its_owner(
    namespace, owner, had_owner, leaves
):
    assert is_leaving(namespace, owner, had_owner=had_owner) is leaves
