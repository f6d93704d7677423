"""The document of /version."""

import pytest

from apiserver.wire.version import semantic_version, version_document


@pytest.mark.parametrize(
    ("version", "semantic"),
    [
        pytest.param("1.2.3", "1.2.3", id="a release"),
        pytest.param("1.2", "1.2.0", id="a short one"),
        pytest.param("1.2.3rc1", "1.2.3-rc1", id="a candidate"),
        pytest.param("0.2.0.dev3+g12ab", "0.2.0-dev3+g12ab", id="on the way to one"),
        pytest.param("0.2.0+local", "0.2.0+local", id="a build of one's own"),
        pytest.param("2026.1.2.4", "2026.1.2-4", id="one with four numbers"),
        pytest.param("unknown", "0.0.0", id="none"),
    ],
)
def test_a_version_of_python_is_written_as_clients_parse_it(version, semantic):
    assert semantic_version(version) == semantic


def test_every_field_that_clients_read_is_there_and_a_text():
    document = version_document("0.2.0rc1", compiler="cpython", runtime="python3", machine="arm")

    assert document == {
        "major": "0",
        "minor": "2",
        "gitVersion": "v0.2.0-rc1",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "python3",
        "compiler": "cpython",
        "platform": "linux/arm",
    }


@pytest.mark.parametrize(("machine", "named"), [("x86_64", "amd64"), ("aarch64", "arm64")])
def test_the_platform_has_the_name_that_go_gives_it(machine, named):
    document = version_document("1.0.0", compiler="", runtime="", machine=machine)

    assert document["platform"] == f"linux/{named}"
