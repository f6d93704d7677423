"""Namespaces of a server without a cluster: all of them exist."""

import pytest

from tests.support.client import capture, collection


@pytest.mark.parametrize("name", ["A_b", "a%20b", "%C3%A4", "a.b", "a" * 64])
async def test_a_namespace_is_a_dns_label(admin, name):
    answer = await admin.request("POST", collection(name), capture())

    assert answer.code == 422
    assert answer.json["details"]["causes"][0]["field"] == "metadata.namespace"
