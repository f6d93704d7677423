import asyncio

import pytest

from apiserver.auth.identity import User
from apiserver.auth.reviews import ReviewError
from apiserver.auth.tokenreview import PATH, TokenReviews, reviewed_user
from apiserver.upstream.client import open_client
from tests.fakes.cluster_api import ClusterAPI, serving
from tests.fakes.kubernetes_api import write_kubeconfig

ROBOT = {
    "authenticated": True,
    "user": {
        "username": "system:serviceaccount:shop:robot",
        "uid": "7",
        "groups": ["system:serviceaccounts", "system:authenticated"],
        "extra": {"authentication.kubernetes.io/node-name": ["n1"]},
    },
}


def review(document):
    if document["spec"]["token"] == "secret":
        return {**document, "status": ROBOT}
    return {**document, "status": {"error": "invalid bearer token"}}


@pytest.fixture
async def api():
    async with serving(ClusterAPI(answers={PATH: review})) as running:
        yield running


@pytest.fixture
async def tokens(api, tmp_path):
    config = await asyncio.to_thread(write_kubeconfig, tmp_path / "config", api.url)
    async with open_client(config) as client:
        yield TokenReviews(client, monotonic=lambda: 0.0)


async def test_a_token_is_of_whom_the_cluster_says(tokens):
    assert await tokens.user_of("secret") == User(
        "system:serviceaccount:shop:robot",
        ("system:serviceaccounts", "system:authenticated"),
        "7",
        {"authentication.kubernetes.io/node-name": ("n1",)},
    )


async def test_a_token_that_the_cluster_does_not_know_is_nobodys(tokens):
    assert await tokens.user_of("garbage") is None


@pytest.mark.parametrize("token", ["secret", "garbage"])
async def test_what_was_asked_just_now_is_not_asked_again(api, tokens, token):
    for _ in range(3):
        await tokens.user_of(token)

    assert api.requests == [("POST", PATH)]


async def test_a_cluster_that_cannot_be_asked_is_not_a_no(api, tokens):
    api.refusals["POST", PATH] = (403, "Forbidden")
    with pytest.raises(ReviewError):
        await tokens.user_of("secret")

    api.refusals.clear()

    assert await tokens.user_of("secret") is not None


@pytest.mark.parametrize(
    "status",
    [
        pytest.param({}, id="nothing is said"),
        pytest.param({**ROBOT, "authenticated": False}, id="not authenticated"),
        pytest.param({**ROBOT, "authenticated": "true"}, id="not quite authenticated"),
        pytest.param({"authenticated": True}, id="without a user"),
        pytest.param({"authenticated": True, "user": {"uid": "7"}}, id="without a name"),
    ],
)
def test_whoever_is_not_named_is_nobody(status):
    assert reviewed_user(status) is None
