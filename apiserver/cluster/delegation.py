"""Whether this server may ask the cluster about its users: who they are, and what they may do.

Where it may not, all that users ask for fails, which is better said at the start than at the first of
them. So it is asked until the answer is yes; what is taken away later is told by the requests that it
fails (`apiserver.auth.reviews`), and leaves the server ready to say so.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from apiserver.cluster.keeping import REAL_TIME, Keeper, Outcome, Timing, running
from apiserver.jsontypes import object_at
from apiserver.upstream.client import Client

# Everybody may ask about themselves.
SELF_REVIEWS_PATH: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_NEEDED: Final = (
    ("authentication.k8s.io", "tokenreviews"),
    ("authorization.k8s.io", "subjectaccessreviews"),
)


@asynccontextmanager
async def awaiting_delegation(
    client: Client, *, timing: Timing = REAL_TIME
) -> AsyncGenerator[Keeper]:
    """Know for as long as the block lasts whether it may ask; entering does not wait for it."""

    async def step() -> Outcome:
        missing = [name for group, name in _NEEDED if not await _may_create(client, group, name)]
        if not missing:
            return Outcome()
        return Outcome(
            problem=f"may not create {' and '.join(missing)}, so nobody's rights are known. Bind"
            " ClusterRole system:auth-delegator to it"
        )

    keeper = Keeper("ServiceAccount of this server", timing)
    async with running(keeper.run(step)):
        yield keeper


async def _may_create(client: Client, group: str, resource: str) -> bool:
    answer = await client.create(
        SELF_REVIEWS_PATH,
        {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {
                "resourceAttributes": {"group": group, "resource": resource, "verb": "create"}
            },
        },
    )
    return object_at(answer, "status").get("allowed") is True
