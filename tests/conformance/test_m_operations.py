"""M. Operations."""

import pytest

from tests.conformance.checks import check
from tests.support.client import GROUP, collection


@check(125)
@pytest.mark.parametrize("path", [collection("t"), GROUP, collection("t", "none")])
async def test_a_timeout_must_be_a_duration(admin, path):
    answer = await admin.get(path, timeout="bad")

    assert answer.code == 400
    assert "invalid timeout specified in the request URL" in answer.json["message"]
    assert (await admin.get(path, timeout="30s")).code != 400


@check(125)
async def test_a_watch_ignores_the_timeout(admin, namespace):
    async with admin.watch(
        collection(namespace), timeout="bad", timeoutSeconds="1", resourceVersion="0"
    ) as watch:
        assert watch.response.status == 200
