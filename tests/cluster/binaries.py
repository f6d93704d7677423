"""Where the programs of a cluster are: `make cluster-tools` builds what is not given."""

import os
import shutil

from tests.support.standalone import ROOT


class MissingBinaryError(Exception):
    """A program of the cluster is not there."""


def find(name: str) -> str:
    """Return the path of a program: the one given by KUBEBUILDER_ASSETS, on PATH, or built here."""
    given = os.environ.get("KUBEBUILDER_ASSETS")
    path = [os.environ["PATH"], "/usr/sbin", "/sbin", str(ROOT / ".tools" / "bin")]
    found = shutil.which(name, path=":".join([given, *path] if given else path))
    if found is None:
        raise MissingBinaryError(f"{name} is missing: `make cluster-tools` gets it")
    return found
