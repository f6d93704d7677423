from dataclasses import replace

import pytest

from apiserver.cluster.admission.matching import EVERYTHING, read_match
from apiserver.jsontypes import JsonObject
from apiserver.registry.packetcaptures import PACKET_CAPTURES
from tests.fakes.webhook import a_rule


def rule(**changes) -> JsonObject:
    return {"rules": [a_rule(**changes)]}


@pytest.mark.parametrize(
    ("match", "covered"),
    [
        pytest.param(rule(), True, id="all of it"),
        pytest.param(rule(operations=["CREATE"]), True, id="the operation"),
        pytest.param(rule(operations=["UPDATE", "DELETE"]), False, id="other operations"),
        pytest.param(rule(apiGroups=["*"]), True, id="every group"),
        pytest.param(rule(apiGroups=["", "apps"]), False, id="other groups"),
        pytest.param(rule(apiVersions=["*"]), True, id="every version"),
        pytest.param(rule(apiVersions=["v1"]), False, id="another version"),
        pytest.param(rule(resources=["*"]), True, id="every resource"),
        pytest.param(rule(resources=["*/*"]), True, id="every resource and subresource"),
        pytest.param(rule(resources=["packetcaptures/*"]), True, id="every subresource"),
        pytest.param(rule(resources=["packetcaptures/status"]), False, id="a subresource"),
        pytest.param(rule(resources=["*/status"]), False, id="a subresource of all"),
        pytest.param(rule(resources=["pods"]), False, id="another resource"),
        pytest.param(rule(scope="Namespaced"), True, id="in namespaces"),
        pytest.param(rule(scope="Cluster"), False, id="in no namespace"),
        pytest.param(rule(resourceNames=["http"]), True, id="the name"),
        pytest.param(rule(resourceNames=["dns"]), False, id="another name"),
        pytest.param({"rules": [a_rule(scope="Cluster"), a_rule()]}, True, id="any of the rules"),
        pytest.param({"rules": []}, False, id="no rule"),
        pytest.param({"rules": ["odd"]}, False, id="nothing that is a rule"),
        pytest.param({**rule(), "not": [a_rule()]}, False, id="excluded"),
        pytest.param({**rule(), "not": [a_rule("DELETE")]}, True, id="another one excluded"),
    ],
)
def test_rules_say_which_writes(create, match, covered):
    assert read_match(match, rules="rules", excluded="not").covers(create) is covered


@pytest.mark.parametrize(
    ("resource", "covered"),
    [
        pytest.param("packetcaptures/status", True, id="the subresource"),
        pytest.param("packetcaptures/*", True, id="every subresource"),
        pytest.param("*/status", True, id="the subresource of all"),
        pytest.param("*/*", True, id="everything"),
        pytest.param("packetcaptures", False, id="the resource"),
        pytest.param("*", False, id="every resource"),
        pytest.param("packetcaptures/files", False, id="another subresource"),
    ],
)
def test_a_subresource_is_named_after_a_slash(update, resource, covered):
    match = read_match(rule(resources=[resource]), rules="rules")

    assert match.covers(replace(update, subresource="status")) is covered


@pytest.mark.parametrize(
    ("new", "old", "covered"),
    [
        pytest.param({"team": "net"}, {}, True, id="from now on"),
        pytest.param({}, {"team": "net"}, True, id="until now"),
        pytest.param({"team": "web"}, {}, False, id="neither"),
    ],
)
def test_an_object_is_selected_by_either_state(update, new, old, covered):
    match = read_match(
        {**rule(), "objectSelector": {"matchLabels": {"team": "net"}}}, rules="rules"
    )
    attributes = replace(
        update, document={"metadata": {"labels": new}}, old={"metadata": {"labels": old}}
    )

    assert match.covers(attributes) is covered


def test_a_deletion_is_selected_by_what_there_was(delete):
    match = read_match(
        {**rule(), "objectSelector": {"matchLabels": {"team": "net"}}}, rules="rules"
    )
    labelled = replace(delete, old={"metadata": {"labels": {"team": "net"}}})

    assert match.covers(labelled)
    assert not match.covers(delete)


def test_a_namespace_is_selected_by_its_labels():
    selector: JsonObject = {
        "matchExpressions": [{"key": "env", "operator": "NotIn", "values": ["prod"]}]
    }
    match = read_match({**rule(), "namespaceSelector": selector}, rules="rules")

    assert match.covers_namespace({})
    assert not match.covers_namespace({"env": "prod"})


def test_a_selector_that_cannot_be_read_selects_everything():
    selector: JsonObject = {"matchExpressions": [{"key": "env", "operator": "Like"}]}
    match = read_match({**rule(), "namespaceSelector": selector}, rules="rules")

    assert match.covers_namespace({})


@pytest.mark.parametrize(
    ("match", "is_about"),
    [
        pytest.param(rule(operations=["DELETE"], scope="Cluster"), True, id="whatever operation"),
        pytest.param(rule(resources=["packetcaptures/status"]), True, id="a subresource"),
        pytest.param(rule(resources=["*/*"]), True, id="everything"),
        pytest.param(rule(resources=["pods/*"]), False, id="another resource"),
        pytest.param(rule(apiGroups=["apps"]), False, id="another group"),
    ],
)
def test_what_is_about_others_is_told_from_what_is_about_us(match, is_about):
    assert read_match(match, rules="rules").is_about(PACKET_CAPTURES) is is_about


def test_everything_is_everything(create, update, delete):
    status = replace(update, subresource="status")

    assert all(EVERYTHING.covers(each) for each in (create, update, delete, status))
