"""tcpdump's verdict on expressions and on frames; where it reads expressions there is no resolver."""

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.meaning import Expression
from tests.support.rules import EXPRESSIONS
from tests.support.savefiles import records, write_frames

_ALONE = ("unshare", "--user", "--map-root-user", "--net")


def compiles(expressions: Sequence[str]) -> list[bool]:
    """Say of each expression whether tcpdump takes it for Ethernet."""
    script = 'tcpdump -y EN10MB -d -- "$0" >/dev/null 2>&1; echo $?'
    done = subprocess.run(
        [*_ALONE, "xargs", "-0", "-n", "1", "sh", "-c", script],
        input="".join(f"{each}\0" for each in expressions),
        check=True,
        capture_output=True,
        text=True,
    )
    return [line == "0" for line in done.stdout.split()]


def passing(expression: str, path: Path, packets: Mapping[str, bytes]) -> frozenset[str]:
    """Return the ids of the packets that tcpdump lets pass; `write_frames` has written them."""
    done = subprocess.run(
        ["tcpdump", "-Z", "root", "-r", path, "-w", "-", "--", expression],
        check=True,
        capture_output=True,
    )
    ids = list(packets)
    return frozenset(ids[each.second] for each in records(done.stdout))


def judged_expressions(packets: Iterable[bytes]) -> dict[str, Expression]:
    """Return `tests.support.rules.EXPRESSIONS`, each with what it lets pass of some packets."""
    by_id = {str(number): packet for number, packet in enumerate(packets)}
    with TemporaryDirectory() as directory:
        path = Path(directory, "frames.pcap")
        write_frames(path, by_id.values())
        passed = {
            text: frozenset(by_id[each] for each in passing(text, path, by_id))
            for text in EXPRESSIONS
        }
    return {text: Expression(passed[text].__contains__, EXPRESSIONS[text]) for text in EXPRESSIONS}
