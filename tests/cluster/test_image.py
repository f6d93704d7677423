"""The image: what is in it, and what is not."""

import json
import tarfile
from collections.abc import Iterator
from configparser import RawConfigParser
from pathlib import Path

import pytest

from tests.cluster.image import ROOT, build_image, pip_settings

# The first build makes a base file system and installs what the programs need.
pytestmark = pytest.mark.timeout(300)

BUDGET_BYTES = 150_000_000


class Image:
    """A docker-archive."""

    def __init__(self, path: Path) -> None:
        with tarfile.open(path) as archive:
            (manifest,) = json.load(self._file(archive, "manifest.json"))
            self.config = json.load(self._file(archive, manifest["Config"]))["config"]
            self.tags = manifest["RepoTags"]
            _base, *own = manifest["Layers"]
            self.own_bytes = sum(archive.getmember(each).size for each in own)
            self.own_paths = {path for each in own for path in self._paths(archive, each)}

    @staticmethod
    def _file(archive: tarfile.TarFile, name: str):
        file = archive.extractfile(name)
        assert file is not None
        return file

    def _paths(self, archive: tarfile.TarFile, layer: str) -> Iterator[str]:
        with tarfile.open(fileobj=self._file(archive, layer)) as content:
            yield from content.getnames()


@pytest.fixture(scope="module")
def image():
    return Image(build_image(ROOT / ".tools" / "image"))


def test_it_is_named_and_started_as_the_manifests_do(image):
    assert "packetcapture:dev" in {tag.rpartition("/")[2] for tag in image.tags}
    assert image.config["Entrypoint"] == ["python", "-m"]
    assert image.config["User"] == "65532:65532"


def test_it_keeps_to_its_size(image):
    assert image.own_bytes < BUDGET_BYTES


def test_it_holds_both_programs_with_their_bytecode(image):
    programs = "opt/packetcapture/programs"

    inside = {Path(each).relative_to(programs) for each in image.own_paths if programs in each}

    assert {each.parts[0] for each in inside if each.parts} == {"apiserver", "nodeagent"}
    for program in ("apiserver", "nodeagent"):
        assert Path(program, "main.py") in inside
        assert Path(program, "__pycache__/main.cpython-311.pyc") in inside


def test_it_holds_nothing_of_its_making(image):
    names = {Path(each).name for each in image.own_paths}

    assert not names & {"pip", "gcc", "pip.conf", "runtime.txt", "wheels"}
    lists = {Path(each).name for each in image.own_paths if each.startswith("var/lib/apt/lists/")}
    assert all(each.startswith(".wh.") for each in lists)  # removed: those of the base


def test_it_is_not_built_twice(image):
    first = build_image(ROOT / ".tools" / "image")
    made = first.stat().st_mtime_ns

    second = build_image(ROOT / ".tools" / "image")

    assert second == first
    assert second.stat().st_mtime_ns == made


def test_pips_variables_go_before_its_files(tmp_path):
    file = tmp_path / "pip.conf"
    file.write_text("[global]\nindex-url = of the file\ntimeout = 60\n")
    variables = {"PIP_INDEX_URL": "of the variable", "PIP_CONFIG_FILE": str(file), "HOME": "/"}

    settings = pip_settings(variables, [file])

    assert _effective(settings) == {"index-url": "of the variable", "timeout": "60"}


@pytest.mark.parametrize(
    ("variables", "trusted"),
    [
        pytest.param({}, None, id="nothing said"),
        pytest.param({"CURL_CA_BUNDLE": "/c"}, "/c", id="curl's"),
        pytest.param({"CURL_CA_BUNDLE": "/c", "REQUESTS_CA_BUNDLE": "/r"}, "/r", id="requests'"),
        pytest.param({"REQUESTS_CA_BUNDLE": "/r", "PIP_CERT": "/p"}, "/p", id="pip's own"),
    ],
)
def test_pip_inside_trusts_what_it_trusts_outside(variables, trusted):
    settings = pip_settings(variables, [])

    assert _effective(settings).get("cert") == trusted


def _effective(settings: RawConfigParser) -> dict[str, str]:
    """Return what `pip install` makes of the settings: its own section goes before the general one."""
    sections = (each for each in ("global", "install") if settings.has_section(each))
    return {key: value for section in sections for key, value in settings.items(section)}
