from datetime import timedelta

import pytest

from apiserver.cluster.delegation import SELF_REVIEWS_PATH, awaiting_delegation


@pytest.fixture
def rights(api):
    """What this server may create; all that it needs, to begin with."""
    may = {"tokenreviews", "subjectaccessreviews"}

    def answer(review):
        asked = review["spec"]["resourceAttributes"]
        assert asked["verb"] == "create"
        return {"status": {"allowed": asked["resource"] in may}}

    api.answers[SELF_REVIEWS_PATH] = answer
    return may


async def test_who_may_ask_is_fine(client, time, rights, fine):
    async with awaiting_delegation(client, timing=time.timing) as keeper:
        await fine(keeper)


@pytest.mark.parametrize(
    "taken",
    [
        pytest.param(["tokenreviews"], id="who users are"),
        pytest.param(["subjectaccessreviews"], id="what users may do"),
        pytest.param(["tokenreviews", "subjectaccessreviews"], id="both"),
    ],
)
async def test_what_is_missing_is_named_until_it_is_given(
    client, time, rights, until, fine, taken
):
    rights.difference_update(taken)

    async with awaiting_delegation(client, timing=time.timing) as keeper:
        state = await until(keeper, lambda state: state.problem)
        assert f"may not create {' and '.join(taken)}, so" in state.problem
        assert "Bind ClusterRole system:auth-delegator" in state.problem

        rights.update(taken)
        await time.asleep()
        await time.advance(timedelta(minutes=1))
        await fine(keeper)
