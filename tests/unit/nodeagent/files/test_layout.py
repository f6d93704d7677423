from pathlib import Path

import pytest

from apiserver.resource.filenames import parse
from nodeagent.files.layout import (
    UnsafeNameError,
    capture_directory,
    draft_of,
    drafted_name,
    file_in,
    set_aside_directory,
)

ROOT = Path("/captures")
LONGEST = "n" * 253


@pytest.mark.parametrize("name", ["web", "a.b_c-d", "A1", "9", LONGEST])
def test_trap_43_a_capture_has_its_directory_dots_and_all(name):
    assert capture_directory(ROOT, "shop", name) == ROOT / "shop" / name


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="empty"),
        pytest.param(".", id="here"),
        pytest.param("..", id="up"),
        pytest.param("../etc", id="up and over"),
        pytest.param("/etc", id="absolute"),
        pytest.param("a/b", id="deeper"),
        pytest.param("a\0b", id="cut short"),
        pytest.param("a\n", id="new line"),
        pytest.param(".hidden", id="hidden"),
        pytest.param("~uid", id="set aside"),
        pytest.param("-a", id="option"),
        pytest.param("é", id="not ASCII"),
        pytest.param(LONGEST + "n", id="too long"),
    ],
)
def test_what_is_no_plain_name_makes_no_path(name):
    for make in (
        lambda: capture_directory(ROOT, "shop", name),
        lambda: capture_directory(ROOT, name, "web"),
        lambda: set_aside_directory(ROOT / "shop" / "web", name),
        lambda: file_in(ROOT, name),
    ):
        with pytest.raises(UnsafeNameError) as caught:
            make()
        assert caught.value.name == name


def test_files_set_aside_lie_beside_under_a_name_that_no_capture_has():
    directory = capture_directory(ROOT, "shop", LONGEST)

    aside = set_aside_directory(directory, "1b4e28ba-2fa1-11d2-883f-0016d3cca427")

    assert aside == ROOT / "shop" / "~1b4e28ba-2fa1-11d2-883f-0016d3cca427"
    assert set_aside_directory(directory, "u", attempt=2) == ROOT / "shop" / "~u.2"


@pytest.mark.parametrize(
    "name", ["web_cali1.pcap", "web_cali1-20260102T150405.000000Z.pcap", "..web_cali1.pcap"]
)
def test_a_capture_file_lies_in_the_directory(name):
    assert file_in(ROOT, name) == ROOT / name


@pytest.mark.parametrize(
    "name",
    [
        ".capture.json",
        "web.pcap",
        "../web_cali1.pcap",
        "web_../cali1.pcap",
        "web_cali1.pcap/..",
        "web_" + "x" * 250 + ".pcap",
    ],
)
def test_nothing_else_in_the_directory_can_be_asked_for(name):
    with pytest.raises(UnsafeNameError):
        file_in(ROOT, name)


def test_a_draft_is_no_capture_file_and_knows_whose_place_it_takes():
    draft = draft_of(ROOT / "web_cali1.pcap")

    assert draft.parent == ROOT
    assert parse(draft.name) is None
    assert drafted_name(draft.name) == "web_cali1.pcap"


@pytest.mark.parametrize("name", ["web_cali1.pcap", ".capture.json.draft", ".x.next", ".next"])
def test_what_is_no_draft_takes_no_name(name):
    assert drafted_name(name) is None
