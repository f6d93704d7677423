import pytest
from prometheus_client import CollectorRegistry, generate_latest

from apiserver.cluster.admission.asking import Called, Outcome
from apiserver.cluster.admission.configurations import Phase
from apiserver.server.admissionmetrics import AdmissionMetrics

PREFIX = "apiserver_admission_webhook"


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def metrics(registry):
    return AdmissionMetrics(registry)


def page(registry):
    return generate_latest(registry).decode().splitlines()


def a_call(outcome, phase=Phase.VALIDATING):
    return Called("hook", phase, "CREATE", 0.01, outcome)


def test_a_call_is_counted(registry, metrics):
    metrics.called(a_call(Outcome(200), Phase.MUTATING))

    labels = 'name="hook",operation="CREATE",rejected="false",type="admit"'
    lines = page(registry)
    assert f'{PREFIX}_admission_duration_seconds_bucket{{le="0.025",{labels}}} 1.0' in lines
    assert (
        f'{PREFIX}_request_total{{code="200",name="hook",operation="CREATE",rejected="false",'
        'type="admit"} 1.0'
    ) in lines
    assert not [each for each in lines if each.startswith(f"{PREFIX}_rejection_count{{")]


def test_a_rejection_is_counted(registry, metrics):
    metrics.called(a_call(Outcome(403, "no_error")))
    metrics.called(a_call(Outcome(403, "no_error")))

    assert (
        f'{PREFIX}_rejection_count{{error_type="no_error",name="hook",operation="CREATE",'
        'rejection_code="403",type="validating"} 2.0'
    ) in page(registry)


def test_a_call_that_failed_open_is_counted(registry, metrics):
    metrics.called(a_call(Outcome(503, failed_open=True)))

    assert f'{PREFIX}_fail_open_count{{name="hook",type="validating"}} 1.0' in page(registry)


@pytest.mark.parametrize("rejected", [True, False])
def test_a_step_is_counted(registry, metrics, rejected):
    metrics.stepped("validate", "DELETE", seconds=0.2, rejected=rejected)

    assert (
        'apiserver_admission_step_admission_duration_seconds_bucket{le="0.5",operation="DELETE",'
        f'rejected="{str(rejected).lower()}",type="validate"}} 1.0'
    ) in page(registry)
