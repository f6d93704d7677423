"""The image of both programs, built without a registry and found again while nothing in it changed.

A base file system is made once by mmdebstrap; buildah builds the Containerfile on it. `python -m
tests.cluster.image` does it by hand.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from configparser import RawConfigParser
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
IMAGE = "packetcapture:dev"
SOURCES = (
    "Containerfile",
    ".containerignore",
    "requirements/runtime.txt",
    "apiserver",
    "nodeagent",
)

SUITE = "bookworm"
BASE_PACKAGES = ("python3", "python3-venv")
BASE_CONTAINERFILE = "FROM scratch\nADD base.tar /\n"

# What pip trusts, in this order, where no setting of its own says it.
CERTIFICATE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class ImageError(Exception):
    """A step of the build failed; `output` is what it said."""

    def __init__(self, step: str, output: str) -> None:
        super().__init__(f"{step} failed:\n{output}")
        self.step = step
        self.output = output


def build_image(directory: Path, *, base: str | None = None) -> Path:
    """Return a docker-archive of `packetcapture:dev`, built if `directory` has not the present one.

    `base` is the name of an image that buildah can pull; without it one is made. Blocks for the
    minute that a first build takes, seconds after a change of code. Needs root. Raises ImageError.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with _locked(directory / "lock"):
        archive = directory / f"packetcapture-{_content_hash(base)}.tar"
        if not archive.exists():
            _Builder(directory).build(archive, base=base)
        return archive


class _Builder:
    """buildah with a storage of its own, so that nothing of the machine's is read or changed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._driver = "overlay"
        try:
            self._buildah("info")
        except ImageError:
            self._driver = "vfs"  # for example where the directory is on an overlay itself

    def build(self, archive: Path, *, base: str | None) -> None:
        name = base or self._made_base()
        common = ("--layers", "--network=host", f"--build-arg=BASE={name}", "--file=Containerfile")
        with _pip_access(self._directory) as access:
            # First the stage that runs pip: what is mounted for it leaves empty mount points behind.
            self._buildah("build", *common, *access, "--target=build", ".")
        self._buildah("build", *common, f"--tag={IMAGE}", ".")
        for old in self._directory.glob("packetcapture-*.tar"):
            old.unlink()
        part = archive.with_suffix(".part")
        part.unlink(missing_ok=True)
        self._buildah("push", f"localhost/{IMAGE}", f"docker-archive:{part}:{IMAGE}")
        part.rename(archive)

    def _made_base(self) -> str:
        made_of = f"{SUITE} {' '.join(BASE_PACKAGES)} {BASE_CONTAINERFILE}"
        name = f"localhost/base:{hashlib.sha256(made_of.encode()).hexdigest()[:12]}"
        if self._has(name):
            return name
        with TemporaryDirectory(dir=self._directory) as context:
            _run(
                "mmdebstrap",
                "--quiet",
                "--variant=minbase",
                f"--include={','.join(BASE_PACKAGES)}",
                SUITE,
                f"{context}/base.tar",
            )
            Path(context, "Containerfile").write_text(BASE_CONTAINERFILE)
            self._buildah("build", f"--tag={name}", f"--file={context}/Containerfile", context)
        return name

    def _has(self, name: str) -> bool:
        listed = self._buildah("images", "--noheading", "--format={{.Name}}:{{.Tag}}")
        return name in listed.split()

    def _buildah(self, command: str, *arguments: str) -> str:
        storage = (
            f"--root={self._directory / self._driver}",
            f"--runroot={self._directory / self._driver}-run",
            f"--storage-driver={self._driver}",
        )
        return _run("buildah", *storage, command, *arguments)


def _run(program: str, *arguments: str) -> str:
    # chroot is the one isolation that needs neither a user namespace nor a container runtime.
    environment = os.environ | {"BUILDAH_ISOLATION": "chroot"}
    try:
        done = subprocess.run(
            (program, *arguments),
            check=False,
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError as error:
        raise ImageError(program, "it is not installed") from error
    if done.returncode:
        raise ImageError(f"{program} {' '.join(arguments)}", done.stdout + done.stderr)
    return done.stdout


@contextmanager
def _pip_access(directory: Path) -> Iterator[tuple[str, ...]]:
    """Give the options by which pip inside a build reaches what it reaches outside.

    Its settings go in as a secret, because they may hold passwords; the files and directories
    that they name are mounted where they are.
    """
    settings = pip_settings(os.environ, _pip_files(os.environ))
    with TemporaryDirectory(dir=directory) as private:  # made with mode 0700
        written = Path(private, "pip.conf")
        with written.open("w") as file:
            settings.write(file)
        values = (value for section in settings.sections() for _, value in settings.items(section))
        yield (
            f"--secret=id=pip.conf,src={written}",
            *(f"--volume={path}:{path}:ro" for path in sorted(_directories(values))),
        )


def pip_settings(environment: Mapping[str, str], files: Iterable[Path]) -> RawConfigParser:
    """Return pip's settings, from its files and the variables over them, as one file would say them."""
    settings = RawConfigParser()
    settings.read(files)
    if not settings.has_section("install"):
        settings.add_section("install")
    trusted = next(filter(None, map(environment.get, CERTIFICATE_VARIABLES)), None)
    if trusted and not any(settings.has_option(each, "cert") for each in settings.sections()):
        settings.set("install", "cert", trusted)
    for name, value in environment.items():
        key = name.removeprefix("PIP_").lower().replace("_", "-")
        # "config-file" is no setting of the file itself.
        if name.startswith("PIP_") and key != "config-file" and value:
            settings.set("install", key, value)
    return settings


def _pip_files(environment: Mapping[str, str]) -> tuple[Path, ...]:
    named = environment.get("PIP_CONFIG_FILE")
    usual = (Path("/etc/pip.conf"), Path.home() / ".config/pip/pip.conf")
    return (*usual, Path(named)) if named else usual


def _directories(values: Iterable[str]) -> set[Path]:
    words = (Path(word.removeprefix("file://")) for value in values for word in value.split())
    present = (path for path in words if path.is_absolute() and path.exists())
    return {path if path.is_dir() else path.parent for path in present}


def _content_hash(base: str | None) -> str:
    digest = hashlib.sha256(repr((base, SUITE, BASE_PACKAGES)).encode())
    for path in _source_files():
        digest.update(f"\0{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _source_files() -> Iterator[Path]:
    for name in SOURCES:
        source = ROOT / name
        found = sorted(source.rglob("*")) if source.is_dir() else [source]
        yield from (each for each in found if each.is_file() and "__pycache__" not in each.parts)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.stdout.write(f"{build_image(ROOT / '.tools' / 'image')}\n")
