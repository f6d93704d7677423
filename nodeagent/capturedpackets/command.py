"""The command line, in the words of `calicoctl captured-packets` (calico-semantics 6.6)."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, TextIO

from nodeagent.capturedpackets.cleaning import BeingWrittenError, clean_files
from nodeagent.capturedpackets.copying import (
    CopyError,
    Destination,
    Folder,
    IntoItselfError,
    OutputError,
    copy_files,
    open_archive,
    refuse_within,
)
from nodeagent.capturedpackets.found import OpenCapture, open_captures
from nodeagent.capturedpackets.listing import list_lines, render
from nodeagent.config import DEFAULT_CAPTURE_DIR
from nodeagent.felix import FelixParameters

NAME: Final = "captured-packets"

DONE, FAILED, REFUSED = 0, 1, 3
_STANDARD_OUTPUT: Final = "-"

_DESCRIPTION: Final = """\
List, copy and remove the capture files of this node, without the Kubernetes API.

The agent may be running meanwhile; what it writes is left alone. Files of a capture
that was deleted, while another one got its name, are those of the capture ~UID."""

_EPILOG: Final = """\
exit status:
  0  all was done
  1  something could not be done, or there is no such capture (standard error says what)
  2  the command line cannot be understood
  3  clean: a capture is running, its files stay

from outside the agent's pod:
  kubectl -n packetcapture exec POD -- python -m nodeagent captured-packets copy NAME -d - | tar x"""


def main(arguments: list[str], environment: Mapping[str, str] = os.environ) -> int:
    """Run one command; return the exit status."""
    capture_dir = FelixParameters(environment).text("CaptureDir", DEFAULT_CAPTURE_DIR)
    options = _parser(capture_dir).parse_args(arguments)
    # How the kernel asks for a lease back. None is held for longer than it takes to give it back.
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    command: Callable[[argparse.Namespace], int] = options.run
    try:
        code = command(options)
        sys.stdout.flush()
    except (OSError, IntoItselfError, OutputError) as error:
        _complain(error)
        _abandon_output()
        code = FAILED
    return code


def _list(options: argparse.Namespace) -> int:
    lines = list(list_lines(_captures(options)))
    if lines:
        _tell(sys.stdout, render(lines))
        return DONE
    sys.stderr.write(f"No capture files found{_where(options)}.\n")
    return FAILED if options.name else DONE


def _copy(options: argparse.Namespace) -> int:
    if options.dest == _STANDARD_OUTPUT:
        with open_archive(sys.stdout.buffer) as archive:
            return _copy_to(archive, options, told=sys.stderr)
    refuse_within(options.capture_dir, Path(options.dest))
    return _copy_to(Folder(Path(options.dest)), options, told=sys.stdout)


def _copy_to(destination: Destination, options: argparse.Namespace, *, told: TextIO) -> int:
    def copy(capture: OpenCapture) -> None:
        # Pods of two namespaces may be of one name.
        folder = capture.namespace if options.all_namespaces else ""
        _tell(told, f"Copy capture files for {capture} to {options.dest}\n")
        copy_files(capture, destination, folder=folder)

    return _for_each(options, copy)


def _clean(options: argparse.Namespace) -> int:
    def clean(capture: OpenCapture) -> None:
        clean_files(capture)
        _tell(sys.stdout, f"Clean capture files for {capture}\n")

    return _for_each(options, clean)


def _for_each(options: argparse.Namespace, act: Callable[[OpenCapture], None]) -> int:
    """Do it for each capture that is meant, whatever becomes of the others; return the exit status."""
    codes = set()
    for capture in _captures(options):
        try:
            act(capture)
            codes.add(DONE)
        except BeingWrittenError as error:
            _complain(error)
            codes.add(REFUSED)
        except (OSError, CopyError) as error:
            _complain(error)
            codes.add(FAILED)
    if not codes:
        sys.stderr.write(f"No capture files found{_where(options)}.\n")
        return FAILED
    return FAILED if FAILED in codes else max(codes)


def _captures(options: argparse.Namespace) -> Iterator[OpenCapture]:
    namespace = None if options.all_namespaces else options.namespace
    return open_captures(options.capture_dir, namespace=namespace, name=options.name)


def _where(options: argparse.Namespace) -> str:
    of = f" for {options.name}" if options.name else ""
    return of if options.all_namespaces else f"{of} in namespace {options.namespace}"


def _tell(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
    except OSError as error:
        raise OutputError(error.strerror) from error


def _complain(error: Exception) -> None:
    said = str(error)
    if isinstance(error, OSError):
        said = ": ".join(str(each) for each in (error.filename, error.strerror) if each)
    sys.stderr.write(f"{said}\n")


def _abandon_output() -> None:
    """Have nothing written again, and complained about again, when Python ends."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError):
            sys.stdout.close()


def _parser(capture_dir: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m nodeagent {NAME}",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(required=True, metavar="(list | copy | clean)")
    for name, run, text in (
        ("list", _list, "show the files: a line each"),
        ("copy", _copy, "copy the files of a capture, also of one that is running"),
        ("clean", _clean, "remove the files of a capture that is not running"),
    ):
        command = commands.add_parser(name, help=text, description=f"{text}.".capitalize())
        command.set_defaults(run=run)
        _add_arguments(command, name, capture_dir)
    return parser


def _add_arguments(command: argparse.ArgumentParser, name: str, capture_dir: str) -> None:
    add = command.add_argument
    add("name", metavar="NAME", nargs="?" if name == "list" else None, help="of the capture")
    where = command.add_mutually_exclusive_group().add_argument
    where("-n", "--namespace", default="default", help="of the capture; default: default")
    where("-a", "--all-namespaces", action="store_true", help="captures of that name in any")
    if name == "copy":
        text = (
            "directory to copy into, default: this one; - writes a tar archive to standard output"
        )
        add("-d", "--dest", "--destination", default=".", metavar="DEST", help=text)
    add("--capture-dir", type=Path, default=Path(capture_dir), help=f"default: {capture_dir}")
