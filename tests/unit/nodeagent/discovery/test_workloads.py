import asyncio

import pytest
import uvloop
import yaml

from nodeagent.discovery.workloads import WorkloadsError, following_workloads


def a_document(interface):
    return {
        "apiVersion": "projectcalico.org/v3",
        "kind": "WorkloadEndpoint",
        "metadata": {"name": interface, "namespace": "shop"},
        "spec": {"node": "n1", "pod": f"pod-{interface}", "interfaceName": interface},
    }


def text_of(*interfaces):
    return yaml.safe_dump_all([a_document(each) for each in interfaces])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "workloads.yaml"


def interfaces(endpoints):
    return [each.interface for each in endpoints]


async def until(workloads, *wanted):
    async with asyncio.timeout(10):
        async for endpoints in workloads:
            if interfaces(endpoints) == list(wanted):
                return


async def until_problem(workloads, text):
    async with asyncio.timeout(10):
        async for _ in workloads:
            if text in workloads.problem:
                return


async def test_the_first_value_comes_at_once(path):
    path.write_text(text_of("cali1", "cali2"))

    async with following_workloads(path, node="n1") as workloads:
        assert interfaces(await anext(workloads)) == ["cali1", "cali2"]
        assert workloads.problem == ""


async def test_a_file_that_does_not_exist_has_no_endpoints_until_it_comes(path):
    async with following_workloads(path, node="n1") as workloads:
        assert await anext(workloads) == ()
        assert "No such file" in workloads.problem

        path.write_text(text_of("cali1"))

        await until(workloads, "cali1")
        assert workloads.problem == ""


async def test_an_edit_in_place_is_seen(path):
    path.write_text(text_of("cali1"))
    async with following_workloads(path, node="n1") as workloads:
        path.write_text(text_of("cali2"))

        await until(workloads, "cali2")


async def test_a_file_put_in_place_of_the_old_one_is_seen(path):
    path.write_text(text_of("cali1"))
    async with following_workloads(path, node="n1") as workloads:
        for interface in ("cali2", "cali3"):
            draft = path.with_suffix(".new")
            draft.write_text(text_of(interface))
            draft.replace(path)

            await until(workloads, interface)


async def test_a_volume_that_kubernetes_swaps_is_seen(path):
    for version in ("one", "two"):
        (path.parent / version).mkdir()
        (path.parent / version / path.name).write_text(text_of(version))
    link = path.parent / "..data"
    link.symlink_to("one")
    path.symlink_to(f"..data/{path.name}")
    async with following_workloads(path, node="n1") as workloads:
        await until(workloads, "one")

        draft = path.parent / "..data_tmp"
        draft.symlink_to("two")
        draft.rename(link)

        await until(workloads, "two")


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        pytest.param(lambda path: path.write_text("a: ["), "flow node", id="no YAML"),
        pytest.param(lambda path: path.write_bytes(b"\xff"), "UTF-8", id="no text"),
        pytest.param(lambda path: path.write_text("kind: Pod"), "spec.node", id="no endpoint"),
        pytest.param(lambda path: path.unlink(), "No such file", id="removed"),
    ],
)
async def test_a_bad_edit_keeps_the_last_good_state_and_says_so(path, edit, problem):
    path.write_text(text_of("cali1"))
    async with following_workloads(path, node="n1") as workloads:
        edit(path)

        await until_problem(workloads, problem)
        assert interfaces(workloads.current) == ["cali1"]

        path.write_text(text_of("cali2"))
        await until(workloads, "cali2")
        assert workloads.problem == ""


async def test_an_empty_file_says_that_there_is_nothing(path):
    path.write_text(text_of("cali1"))
    async with following_workloads(path, node="n1") as workloads:
        path.write_text("")

        await until(workloads)


async def test_a_directory_that_does_not_exist_cannot_be_watched(path):
    with pytest.raises(WorkloadsError):
        async with following_workloads(path / "more", node="n1"):
            pass


def test_many_edits_on_the_loop_of_the_agent(path):
    async def scenario():
        async with following_workloads(path, node="n1") as workloads:
            for i in range(300):
                path.write_text(text_of(f"cali{i}"))
                if i % 50 == 0:
                    await asyncio.sleep(0)
            await until(workloads, "cali299")

    uvloop.run(scenario())


async def test_a_file_that_is_edited_again_and_again_is_never_taken_for_empty(path):
    path.write_text(text_of("cali0"))
    seen = []
    async with following_workloads(path, node="n1") as workloads, asyncio.TaskGroup() as tasks:

        async def note():
            async for endpoints in workloads:
                seen.append(interfaces(endpoints))
                if endpoints[-1:] and endpoints[-1].interface == "cali9999":
                    return

        noting = tasks.create_task(note())
        await asyncio.to_thread(edit_often, path, 300)
        async with asyncio.timeout(10):
            await noting

    assert [] not in seen


def edit_often(path, times):
    for _ in range(times):
        path.write_text(text_of("cali1"))
    path.write_text(text_of("cali9999"))
