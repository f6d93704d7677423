"""Sessions with kubectl: what is typed, and what it says, written down as a terminal shows it.

The first line says what the session shows; lines with # are remarks. Then there are steps, set
apart by empty lines:

    $ label packetcapture http team=x       a command that succeeds
    packetcapture.projectcalico.org/http labeled
    ! get packetcapture none                a command that fails
    $ EDITOR='sed -i s/a/b/' edit ...       what the editor does with the file

A step, or a line of what is said, that begins with [1.20] is for that age only, with [1.32+] for it
and all later ones, with [1.32-] for it and all earlier ones. `...` is any text, and as a line any
lines; spaces and empty lines do not matter. $NAMESPACE is the namespace.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DIRECTORY: Final = Path(__file__).parent / "sessions"

_AGES = re.compile(r"\[1\.(\d+)([+-]?)\] ")
_EDITOR = "EDITOR="


@dataclass(frozen=True, slots=True)
class Step:
    """A command, whether it fails, and the lines of what it says."""

    typed: str
    fails: bool
    said: tuple[str, ...]

    @property
    def editor(self) -> str:
        """The command that edits a file."""
        first = shlex.split(self.typed)[0]
        return first.removeprefix(_EDITOR) if first.startswith(_EDITOR) else "true"

    @property
    def arguments(self) -> list[str]:
        """What kubectl gets."""
        return [word for word in shlex.split(self.typed) if not word.startswith(_EDITOR)]

    def is_met_by(self, output: str) -> bool:
        """Tell whether this output is what the step expects."""
        lines = filter(None, map(_squeezed, output.splitlines()))
        return bool(re.fullmatch(_pattern(self.said), "".join(f"{line}\n" for line in lines)))


def title_of(path: Path) -> str:
    """Return what a session shows."""
    return path.read_text().splitlines()[0]


def read_steps(text: str, *, age: int) -> Iterator[Step]:
    """Return the steps that a kubectl of an age takes."""
    for block in re.split(r"\n\s*\n", text)[1:]:
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        if not lines:
            continue
        typed, *said = (_meant_for(line, age) for line in lines)
        if typed is not None:
            fails, typed = typed.startswith("! "), typed[2:]
            yield Step(typed, fails, tuple(line for line in said if line is not None))


def _meant_for(line: str, age: int) -> str | None:
    found = _AGES.match(line)
    if found is None:
        return line
    mentioned, direction = int(found[1]), found[2]
    is_meant = (
        age == mentioned
        or (direction == "+" and age > mentioned)
        or (direction == "-" and age < mentioned)
    )
    return line[found.end() :] if is_meant else None


def _squeezed(line: str) -> str:
    return " ".join(line.split())


def _pattern(said: tuple[str, ...]) -> str:
    return "".join(
        r"(?:.*\n)*"
        if line == "..."
        else re.escape(_squeezed(line)).replace(r"\.\.\.", ".*") + "\n"
        for line in said
    )
