"""What is counted of admission: each call of a webhook, and how long all of it takes (protocol 10.3)."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from apiserver.cluster.admission.asking import Called
from apiserver.server.tally import Tally

_STEP_SECONDS = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5)
_CALL_SECONDS = (*_STEP_SECONDS, 10, 25)


class AdmissionMetrics:
    """Calls of webhooks, and the two steps of admission."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Histogram(
            "apiserver_admission_webhook_admission_duration_seconds",
            "Admission webhook latency histogram in seconds, identified by name and broken out for "
            "each operation and API resource and type (validate or admit).",
            ("name", "type", "operation", "rejected"),
            registry=registry,
            buckets=_CALL_SECONDS,
        )
        self._requests = Counter(
            "apiserver_admission_webhook_request_total",
            "Admission webhook request total, identified by name and broken out for each admission "
            "type (validating or admit) and operation, whether the request was rejected or not and "
            "an HTTP status code.",
            ("name", "type", "operation", "code", "rejected"),
            registry=registry,
        )
        self._rejections = Tally(
            "apiserver_admission_webhook_rejection_count",
            "Admission webhook rejection count, identified by name and broken out for each "
            "admission type (validating or admit), operation, error type and rejection code.",
            ("name", "type", "operation", "error_type", "rejection_code"),
            registry,
        )
        self._failed_open = Tally(
            "apiserver_admission_webhook_fail_open_count",
            "Admission webhook fail open count, identified by name and broken out for each "
            "admission type (validating or admit).",
            ("name", "type"),
            registry,
        )
        self._steps = Histogram(
            "apiserver_admission_step_admission_duration_seconds",
            "Admission sub-step latency histogram in seconds, broken out for each operation and API "
            "resource and step type (validate or admit).",
            ("type", "operation", "rejected"),
            registry=registry,
            buckets=_STEP_SECONDS,
        )

    def called(self, call: Called) -> None:
        """Count a call of a webhook."""
        outcome, phase, operation = call.outcome, call.phase.value, call.operation
        code, rejected = str(outcome.code), _said(yes=outcome.is_rejection)
        self._calls.labels(call.webhook, phase, operation, rejected).observe(call.seconds)
        self._requests.labels(call.webhook, phase, operation, code, rejected).inc()
        if outcome.is_rejection:
            self._rejections.add(call.webhook, phase, operation, outcome.error_type, code)
        if outcome.failed_open:
            self._failed_open.add(call.webhook, phase)

    def stepped(self, step: str, operation: str, *, seconds: float, rejected: bool) -> None:
        """Count one of the two steps of one write: `admit` (what changes it) or `validate`."""
        self._steps.labels(step, operation, _said(yes=rejected)).observe(seconds)


def _said(*, yes: bool) -> str:
    return "true" if yes else "false"
