"""What is counted of authentication: who asks, how it is found out, and what the cluster is asked for it."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Histogram

from apiserver.server.tally import Tally

_AUTHENTICATION_SECONDS = tuple(0.001 * 2**power for power in range(15))
_REVIEW_SECONDS = (0.25, 0.5, 0.7, 1, 1.5, 3, 5, 10)
_HOUR, _DAY = 3600, 86400
_LIFETIME_SECONDS = (
    *(0, _HOUR / 2, _HOUR, 2 * _HOUR, 6 * _HOUR, 12 * _HOUR),
    *(_DAY * days for days in (1, 2, 4, 7, 30, 90, 180, 360)),
)

# Users that are counted by name; all others together, for anybody may have any name.
_KNOWN_USERS = frozenset(
    {"admin", "client", "kube_proxy", "kubelet", "system:serviceaccount:kube-system:default"}
)


class AuthenticationMetrics:
    """Who asked, and how it was found out."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._users = Tally(
            "authenticated_user_requests",
            "Counter of authenticated requests broken out by username.",
            ("username",),
            registry,
        )
        self._attempts = Tally(
            "authentication_attempts", "Counter of authenticated attempts.", ("result",), registry
        )
        self._seconds = Histogram(
            "authentication_duration_seconds",
            "Authentication duration in seconds broken out by result.",
            ("result",),
            registry=registry,
            buckets=_AUTHENTICATION_SECONDS,
        )
        self._results = {
            each: self._seconds.labels(each) for each in ("success", "failure", "error")
        }
        self._lifetimes = Histogram(
            "apiserver_client_certificate_expiration_seconds",
            "Distribution of the remaining lifetime on the certificate used to authenticate a "
            "request.",
            registry=registry,
            buckets=_LIFETIME_SECONDS,
        )

    def succeeded(self, user_name: str, *, seconds: float) -> None:
        """Count a user."""
        self._users.add(_known(user_name))
        self._ended("success", seconds)

    def failed(self, *, seconds: float) -> None:
        """Count somebody who showed nothing that counts."""
        self._ended("failure", seconds)

    def refused(self, *, seconds: float) -> None:
        """Count somebody who showed what is nobody's."""
        self._ended("error", seconds)

    def certificate_shown(self, lifetime_seconds: float) -> None:
        """Count a client's certificate, by how long it is still valid; below zero if it is not."""
        self._lifetimes.observe(lifetime_seconds)

    def _ended(self, result: str, seconds: float) -> None:
        self._attempts.add(result)
        self._results[result].observe(seconds)


class ReviewMetrics:
    """Questions to the cluster about users: `code` is the answer's, or `<error>` without any."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.authentication = _reviews("authn", registry)
        self.authorization = _reviews("authz", registry)


def _reviews(kind: str, registry: CollectorRegistry) -> Callable[[str, float], None]:
    total = Counter(
        f"apiserver_delegated_{kind}_request_total",
        "Number of HTTP requests partitioned by status code.",
        ("code",),
        registry=registry,
    )
    latency = Histogram(
        f"apiserver_delegated_{kind}_request_duration_seconds",
        "Request latency in seconds. Broken down by status code.",
        ("code",),
        registry=registry,
        buckets=_REVIEW_SECONDS,
    )

    def asked(code: str, seconds: float) -> None:
        total.labels(code).inc()
        latency.labels(code).observe(seconds)

    return asked


def _known(user_name: str) -> str:
    if user_name in _KNOWN_USERS:
        return user_name
    return "email_id" if "@" in user_name else "other"
