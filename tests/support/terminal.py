"""Commands as a person types them, and what comes out."""

import shlex
import subprocess
import sys
from collections.abc import Mapping

PROMPT = "$ "


class CommandFailedError(Exception):
    """A command that had to succeed did not."""

    def __init__(self, command: str, output: str) -> None:
        super().__init__(f"{command}\n{output}")


class Terminal:
    """Runs shell commands with an environment, and shows them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)

    def say(self, text: str) -> None:
        """Print a line between commands."""
        sys.stdout.write(f"\n# {text}\n")
        sys.stdout.flush()

    def run(self, command: str, *, show: bool = True, fails: bool = False) -> str:
        """Run one command line and return what it printed.

        Raises CommandFailedError where it fails (or, with `fails`, where it does not).
        """
        if show:
            sys.stdout.write(f"{PROMPT}{command}\n")
            sys.stdout.flush()
        done = subprocess.run(
            command,
            shell=True,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        if show:
            sys.stdout.write(done.stdout)
            sys.stdout.flush()
        if (done.returncode != 0) is not fails:
            raise CommandFailedError(command, done.stdout)
        return done.stdout

    def follow(self, command: str, *, until: str) -> None:
        """Run a command until it prints a line with a text. Raises CommandFailedError without one."""
        said = []
        with subprocess.Popen(
            ["timeout", "20", *shlex.split(command)],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                said.append(line)
                if until in line:
                    process.terminate()
                    return
        raise CommandFailedError(f"{command} (waiting for {until!r})", "".join(said))
