"""What a server counts, read as Prometheus does."""

from prometheus_client.parser import text_string_to_metric_families

from tests.conformance.client import Client


async def value(client: Client, name: str, **labels: str) -> float:
    """Return the sum of all samples of a name that have these labels."""
    answer = await client.get("/metrics")
    assert answer.code == 200, answer.body
    families = text_string_to_metric_families(answer.body.decode())
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )
