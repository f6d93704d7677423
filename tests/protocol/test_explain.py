"""A dry run is answered with what it would do; without a cluster that is the filter."""

import pytest

from tests.support.client import KEEPS_LITTLE_HEADER, capture, collection

PODS = '299 - "which pods it selects is not known here now"'
WEB = {"protocol": "TCP", "ports": [80, "http"]}
MEANS = (
    '; port \\"http\\" is what each pod\'s containers call so"',
    "instructions)",
    '299 - "filter: tcp port 80 or tcp port http (',
)


def is_explained(warnings):
    pods, filters = warnings
    end, middle, start = MEANS
    return (
        pods == PODS and filters.startswith(start) and middle in filters and filters.endswith(end)
    )


async def test_a_dry_run_of_a_create_says_what_would_be_captured(admin, namespace):
    answer = await admin.create(namespace, capture(filters=[WEB]), dryRun="All")

    kept, *explained = answer.warnings
    assert (answer.code, kept) == (201, KEEPS_LITTLE_HEADER)
    assert is_explained(explained), explained


async def test_the_real_create_says_nothing_of_it(admin, namespace):
    answer = await admin.create(namespace, capture(filters=[WEB]))

    assert (answer.code, answer.warnings) == (201, [KEEPS_LITTLE_HEADER])


async def test_an_update_is_explained_where_it_would_change_the_spec(admin, namespace):
    await admin.create(namespace, capture())
    path = collection(namespace, "http")

    changed = await admin.patch(path, {"spec": {"filters": [WEB]}}, dryRun="All")
    same = await admin.patch(path, {"metadata": {"labels": {"a": "b"}}}, dryRun="All")

    assert is_explained(changed.warnings), changed.warnings
    assert same.warnings == []


async def test_a_server_side_apply_is_explained_too(admin, namespace):
    answer = await admin.request(
        "PATCH",
        collection(namespace, "http"),
        capture(),
        content_type="application/apply-patch+yaml",
        fieldManager="me",
        dryRun="All",
    )

    assert (answer.code, answer.warnings) == (
        201,
        [KEEPS_LITTLE_HEADER, PODS, '299 - "filter: none, all packets are captured"'],
    )


@pytest.mark.parametrize("spec", [{"selector": "a =="}, {"filters": [{"expression": "nonsense"}]}])
async def test_what_is_refused_is_not_explained(admin, namespace, spec):
    answer = await admin.create(namespace, capture(**spec), dryRun="All")

    assert (answer.code, answer.warnings) == (422, [])
