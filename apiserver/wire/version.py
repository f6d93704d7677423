"""The document of `/version`, in the form of Kubernetes' own (apimachinery, pkg/version/types.go)."""

import re

from apiserver.jsontypes import JsonObject

_RELEASE = re.compile(r"(\d+)\.(\d+)(?:\.(\d+))?(.*)")
# What a build that does not know says, as Kubernetes' own does; clients parse it as a time.
_UNKNOWN_TIME = "1970-01-01T00:00:00Z"
# Go's names of what Python calls otherwise.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def semantic_version(version: str) -> str:
    """Return a version of a Python package as clients parse it: `1.2.dev3+local` is `1.2.0-dev3+local`."""
    found = _RELEASE.match(version)
    if found is None:
        return "0.0.0"
    major, minor, patch, rest = found.groups()
    mark = "-" if rest and not rest.startswith("+") else ""
    return f"{major}.{minor}.{patch or 0}{mark}{rest.lstrip('.')}"


def version_document(version: str, *, compiler: str, runtime: str, machine: str) -> JsonObject:
    """Return the document; `version` is that of the package.

    `compiler` and `runtime` name the Python, in the places where others name their Go.
    """
    semantic = semantic_version(version)
    major, minor, _ = semantic.split(".", 2)
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{semantic}",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": _UNKNOWN_TIME,
        "goVersion": runtime,
        "compiler": compiler,
        "platform": f"linux/{_ARCHITECTURES.get(machine, machine)}",
    }
