"""A counter whose name does not end in `_total`, as the library would have it."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class Tally(Collector):
    """Counts, by the values of its labels."""

    def __init__(
        self, name: str, help_text: str, labels: tuple[str, ...], registry: CollectorRegistry
    ) -> None:
        self._name = name
        self._help = help_text
        self._labels = labels
        self._counts: dict[tuple[str, ...], int] = {}
        registry.register(self)

    def add(self, *values: str) -> None:
        """Count one more."""
        self._counts[values] = self._counts.get(values, 0) + 1

    def collect(self) -> Iterable[Metric]:
        """Return all of them."""
        # Not said to be a counter, for the text format would then name it otherwise.
        metric = Metric(self._name, self._help, "unknown")
        for values, count in self._counts.copy().items():
            metric.add_sample(self._name, dict(zip(self._labels, values, strict=True)), count)
        yield metric
