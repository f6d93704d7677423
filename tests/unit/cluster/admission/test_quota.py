import pytest

from apiserver.cluster.admission.quota import charged, counted_as, limits, read_count
from apiserver.registry.packetcaptures import PACKET_CAPTURES

COUNTED = "count/packetcaptures.projectcalico.org"


def a_quota(hard="2", used="1", **spec):
    status = {"hard": {COUNTED: hard, "pods": "10"}, "used": {COUNTED: used, "pods": "4"}}
    return {
        "metadata": {"name": "q", "resourceVersion": "7"},
        "spec": {"hard": status["hard"], **spec},
        "status": {key: value for key, value in status.items() if all(value.values())},
    }


def test_objects_are_counted_by_plural_and_group():
    assert counted_as(PACKET_CAPTURES) == COUNTED


@pytest.mark.parametrize(
    ("quota", "limited"),
    [
        pytest.param(a_quota(), True, id="ours"),
        pytest.param({"status": {"hard": {"pods": "1"}}}, False, id="of others"),
        pytest.param({"spec": {"hard": {COUNTED: "1"}}}, False, id="not taken over yet"),
        pytest.param(a_quota(scopes=["Terminating"]), False, id="of some pods"),
        pytest.param(
            a_quota(scopeSelector={"matchExpressions": [{"scopeName": "PriorityClass"}]}),
            False,
            id="of pods of some priority",
        ),
        pytest.param(a_quota(scopeSelector={}), True, id="of whatever scope"),
    ],
)
def test_a_quota_limits_what_its_status_says(quota, limited):
    assert limits(quota, COUNTED) is limited


@pytest.mark.parametrize(
    ("hard", "used", "fits"),
    [
        ("2", "1", True),
        ("2", "2", False),
        ("2", "3", False),
        ("0", "0", False),
        ("1k", "999", True),
    ],
)
def test_one_more_has_to_fit(hard, used, fits):
    count = read_count(a_quota(hard, used), COUNTED)

    assert (not count.why_not) is fits


def test_what_does_not_fit_is_said_as_kubernetes_says_it():
    assert read_count(a_quota("2", "2"), COUNTED).why_not == (
        f"exceeded quota: q, requested: {COUNTED}=1, used: {COUNTED}=2, limited: {COUNTED}=2"
    )


def test_what_nobody_has_counted_is_not_known():
    count = read_count(a_quota(used=""), COUNTED)

    assert count.why_not == f"status unknown for quota: q, resources: {COUNTED}"


def test_a_quota_that_cannot_be_read_lets_nothing_pass():
    assert (
        read_count(a_quota("many"), COUNTED).why_not == 'failed quota: q: "many" is not a quantity'
    )


@pytest.mark.parametrize(("used", "more"), [("0", "1"), ("1", "2"), ("1k", "1001")])
def test_one_more_is_charged_and_nothing_else_changed(used, more):
    quota = a_quota("1M", used)

    after = charged(quota, read_count(quota, COUNTED))

    status = {**quota["status"], "used": {COUNTED: more, "pods": "4"}}
    assert after == {**quota, "status": status}
