"""Which pods match: asked once, and so that others have their turn."""

import asyncio

from apiserver.cluster.matches import MAX_REMEMBERED, Matches
from apiserver.resource.pods import Pod
from apiserver.resource.selector.parser import parse

LONG = " || ".join(f"app == 'other-{i}'" for i in range(12_000))


class Labels(dict[str, str]):
    """Labels that count how often a selector asks for one."""

    asked = 0

    def get(self, key, default=None):
        self.asked += 1
        return super().get(key, default)


class Namespace:
    """Pods that a test sets."""

    def __init__(self, *names):
        self.labelled = [labelled(each) for each in names]
        self.reads = 0
        self.matches = Matches(self.read, asyncio.Lock())

    def read(self):
        self.reads += 1
        return iter(self.labelled)

    def put(self, *names):
        self.labelled += [labelled(each) for each in names]
        self.matches.pods_changed()

    def asked(self):
        return sum(1 for _, labels in self.labelled if labels.asked)

    async def names(self, text):
        return [pod.name for pod in await self.matches.of(parse(text))]


def labelled(name, app="web"):
    labels = {"app": app}
    pod = Pod(
        "shop",
        name,
        f"uid-{name}",
        "n1",
        labels,
        "default",
        is_on_host_network=False,
        is_terminating=False,
    )
    return pod, Labels(labels)


async def test_what_was_found_is_known_until_pods_change():
    shop = Namespace("one", "two")

    found = [await shop.names("app == 'web'") for _ in range(3)]
    reads = shop.reads
    shop.put("three")
    after = await shop.names("app == 'web'")

    assert found == [["one", "two"]] * 3
    assert reads == 1
    assert after == ["one", "two", "three"]


async def test_of_a_long_selector_only_new_pods_are_looked_at():
    shop = Namespace("one", "two")
    text = f"{LONG} || app == 'web'"
    await shop.names(text)
    for _, labels in shop.labelled:
        labels.asked = 0

    shop.put("three")
    del shop.labelled[0]
    found = await shop.names(text)

    assert found == ["two", "three"]
    assert [bool(labels.asked) for _, labels in shop.labelled] == [False, True]


async def test_a_pod_with_other_labels_is_looked_at_anew():
    shop = Namespace("one", "two")
    text = f"{LONG} || app == 'web'"
    await shop.names(text)

    shop.labelled[0] = labelled("one", app="db")
    shop.matches.pods_changed()

    assert await shop.names(text) == ["two"]


async def test_a_long_selector_lets_others_have_their_turn():
    shop = Namespace(*(f"web-{i}" for i in range(40)))
    seen = []

    async with asyncio.TaskGroup() as tasks:
        matching = tasks.create_task(shop.names(LONG))
        while not matching.done():
            seen.append(shop.asked())
            await asyncio.sleep(0)

    assert len({*seen}) >= 8
    assert matching.result() == []


async def test_pods_that_change_while_they_are_looked_at_are_looked_at_again():
    shop = Namespace(*(f"web-{i}" for i in range(40)))
    text = f"{LONG} || app == 'web'"

    async with asyncio.TaskGroup() as tasks:
        matching = tasks.create_task(shop.names(text))
        await asyncio.sleep(0)
        shop.put("late")

    assert "late" not in matching.result()
    assert "late" in await shop.names(text)


async def test_selectors_that_nobody_asks_about_any_more_are_forgotten():
    shop = Namespace("one")

    for i in range(3 * MAX_REMEMBERED):
        await shop.names(f"app != 'x{i}'")

    assert await shop.names("app == 'web'") == ["one"]


async def test_who_asks_for_the_same_at_the_same_time_is_answered_by_one_look():
    shop = Namespace(*(f"web-{i}" for i in range(20)))

    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(shop.names(f"{LONG} || app == 'web'")) for _ in range(3)]

    found = [each.result() for each in asking]
    assert found == [[f"web-{i}" for i in range(20)]] * 3
    assert len({labels.asked for _, labels in shop.labelled}) == 1
    assert shop.labelled[0][1].asked <= 12_001
