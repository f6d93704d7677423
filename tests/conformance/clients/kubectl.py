"""kubectl of several ages, as its makers built it: commands that end, and commands that go on."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.cluster.binaries import MissingBinaryError
from tests.support.standalone import ROOT

# The minor versions: before OpenAPI v3, server-side validation and subresources; the age that most
# clusters have; and the newest, of the age of the kube-apiserver that the tests run.
AGES: Final = (20, 32, 36)

_SECONDS = 60


def name_of(age: int) -> str:
    """Return how people call the kubectl of an age."""
    return f"kubectl 1.{age}"


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended, and what it wrote: first to its standard output, then to the other."""

    code: int
    output: str


class Begun:
    """A command that goes on by itself; all that it writes, as it writes it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def line_with(self, *parts: str) -> str:
        """Return the next line that has all these parts."""
        assert self._process.stdout is not None
        seen = []
        for line in self._process.stdout:
            if all(part in line for part in parts):
                return line
            seen.append(line)
        raise AssertionError(f"no line with {parts}:\n{''.join(seen)}")

    def until_watching(self) -> None:
        """Return when its watch has begun: what happens from now on it will see."""
        self.line_with("watch=true", "200 OK")

    def end(self) -> Done:
        """Wait for its end; return what it has written since."""
        output, _ = self._process.communicate(timeout=_SECONDS)
        return Done(self._process.returncode, output)


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl in one namespace. What it learns of resources it keeps in its home."""

    age: int
    kubeconfig: Path
    namespace: str
    home: Path

    def __call__(self, *arguments: str, editor: str = "true", cwd: Path = ROOT) -> Done:
        """Run a command to its end. `editor` is for `kubectl edit`, and gets the file's name."""
        done = subprocess.run(
            self._command(*arguments),
            capture_output=True,
            text=True,
            env={**self._environment(), "KUBE_EDITOR": editor},
            cwd=cwd,
            timeout=_SECONDS,
            check=False,
        )
        return Done(done.returncode, done.stdout + done.stderr)

    def do(self, *arguments: str) -> None:
        """Run a command that succeeds."""
        done = self(*arguments)
        assert done.code == 0, f"{' '.join(arguments)}\n{done.output}"

    @contextmanager
    def begin(self, *arguments: str) -> Iterator[Begun]:
        """Start a command that tells of its requests, too; it lasts no longer than the block."""
        with subprocess.Popen(
            self._command(*arguments, "-v=6"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._environment(),
        ) as process:
            try:
                yield Begun(process)
            finally:
                process.kill()

    def _command(self, *arguments: str) -> list[str]:
        program = ROOT / ".tools" / "clients" / f"kubectl-1.{self.age}"
        if not program.exists():
            raise MissingBinaryError(f"{program.name} is missing: tests/tools/clients gets it")
        access = (f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}")
        return [str(program), *access, *arguments]

    def _environment(self) -> dict[str, str]:
        return {"HOME": str(self.home), "PATH": "/usr/bin:/bin"}
