"""Namespaces of their own, nested like machines in a rack, that the kernel clears away.

A sandbox is the mount, UTS, IPC, network and PID namespaces of its first process. Whoever kills
that process ends every process, link, route, firewall rule and mount inside, sandboxes within it
too. It dies with the process that made it (PR_SET_PDEATHSIG), by whatever signal that ends.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid")
_INIT = Path(__file__).with_name("init.py")
_UNSHARE = ("unshare", *_NAMESPACES, "--fork", "--kill-child=KILL", "--mount-proc")
_FIRST = (*_UNSHARE, sys.executable, "-IS", str(_INIT))
_ENVIRONMENT = {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "HOME": "/root"}


class CommandError(Exception):
    """A command inside a sandbox failed."""

    def __init__(self, command: tuple[str, ...], output: str) -> None:
        super().__init__(f"{' '.join(command)}: {output}")
        self.output = output


class Process:
    """A program that runs in a sandbox and writes to a log."""

    def __init__(self, command: list[str], *, log: Path) -> None:
        self.log = log
        self._command = command
        self._process = self._start()

    @property
    def pid(self) -> int:
        """The process's number on the machine."""
        return _child(self._process.pid)

    @property
    def has_ended(self) -> bool:
        """Whether the program has ended by itself."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """Kill the program (SIGKILL); return when it is gone."""
        if not self.has_ended:
            os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def wait(self) -> None:
        """Return when the program has ended."""
        self._process.wait()

    def restart(self) -> None:
        """Kill the program and start it again."""
        self.kill()
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            return _popen(self._command, output=log)


class Sandbox:
    """A set of namespaces; see the module."""

    def __init__(self, first: subprocess.Popen[bytes]) -> None:
        assert first.stdout is not None
        said = first.stdout.readline().decode()
        if said != "ready\n":
            raise CommandError(("unshare",), said)
        self._first = first
        self._inside: list[Process | Sandbox] = []
        self.pid = _descendant(first.pid)

    def command(self, *command: str) -> list[str]:
        """Return a command line for the machine that runs `command` inside."""
        return ["nsenter", f"--target={self.pid}", *_NAMESPACES, "--", *command]

    def run(
        self, *command: str, stdin: bytes | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command inside to its end; raise CommandError if it fails and `check`."""
        done = subprocess.run(
            self.command(*command), input=stdin, capture_output=True, env=_ENVIRONMENT, check=False
        )
        if check and done.returncode:
            raise CommandError(command, (done.stderr + done.stdout).decode(errors="replace"))
        return done

    def start(self, *command: str, log: Path) -> Process:
        """Start a program inside; it ends with the sandbox at the latest."""
        process = Process(self.command(*command), log=log)
        self._inside.append(process)
        return process

    def nest(self) -> "Sandbox":
        """Make a sandbox within; it ends with this one at the latest."""
        sandbox = _new_sandbox(self.command(*_FIRST))
        self._inside.append(sandbox)
        return sandbox

    def ip(self, *arguments: str) -> None:
        """Run `ip` in the network namespace, but with the machine's process numbers."""
        _run("nsenter", f"--target={self.pid}", "--net", "--", "ip", *arguments)

    def write(self, path: str, text: str) -> None:
        """Write a file as it is seen inside, one of /proc for example."""
        self.run("sh", "-c", f"cat > {path}", stdin=text.encode())

    def stop(self) -> None:
        """End everything inside; return when it is gone."""
        if self._first.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def wait(self) -> None:
        """Return when the first process, and with it everything inside, has ended."""
        self._first.wait()
        for each in self._inside:
            each.wait()
        assert self._first.stdout is not None
        self._first.stdout.close()


@contextmanager
def open_sandbox() -> Iterator[Sandbox]:
    """Make a sandbox on the machine; everything in it is gone afterwards."""
    sandbox = _new_sandbox(["setpriv", "--pdeathsig", "KILL", *_FIRST])
    try:
        yield sandbox
    finally:
        sandbox.stop()


def _new_sandbox(command: list[str]) -> Sandbox:
    sandbox = Sandbox(_popen(command, output=subprocess.PIPE))
    # `unshare` has cut the mounts off from the machine's. Among those within they are shared, as
    # on any node: kubelets and containers pass mounts on to each other.
    sandbox.run("mount", "--make-rshared", "/")
    sandbox.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    sandbox.ip("link", "set", "lo", "up")
    # Connections that have lost their processes keep a network namespace, with its links, for as
    # long as they wait for the other side to say goodbye: a minute or two by default.
    sandbox.write("/proc/sys/net/ipv4/tcp_orphan_retries", "1")
    sandbox.write("/proc/sys/net/ipv4/tcp_fin_timeout", "1")
    return sandbox


def ip(*arguments: str) -> None:
    """Run `ip` on the machine; raise CommandError if it fails."""
    _run("ip", *arguments)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, env=_ENVIRONMENT, check=False)
    if done.returncode:
        raise CommandError(command, done.stderr.decode())


def _popen(command: list[str], *, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C is for the test run, which then ends everything in order.
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=_ENVIRONMENT,
        start_new_session=True,
    )


def _descendant(pid: int) -> int:
    """Return the last of a line of only children: what `nsenter` and `unshare` have started."""
    children = _children(pid)
    return _descendant(children[0]) if children else pid


def _child(pid: int) -> int:
    return _children(pid)[0]


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
