"""A child process that compiles expressions, one filter after the other: requests in, answers out.

A request is `REQUEST` (how many seconds of CPU it may take, how many bytes follow) and JSON: for each
alternative its `expressions.attempts`. An answer is a line of JSON: for each alternative an array of
programs (`listing.packed`), `{"programs": [...], "largest": [...]}`, where the second are
`expressions.largest_programs`, null for the same ones; or `{"error": message, "alternative": index}`.
Only what goes wrong with the filter is an answer; all else ends the process with a status that is not 0.
"""

import json
import math
import resource
import sys
from collections.abc import Sequence
from struct import Struct
from typing import Final

from apiserver.jsontypes import JsonObject, JsonValue
from apiserver.pcap.expressions import (
    FilterError,
    check_length,
    compile_strictly,
    dead_handle,
    largest_programs,
)
from apiserver.pcap.listing import Code, packed

REQUEST: Final = Struct(">II")
MAX_MEMORY_BYTES: Final = 1 << 30


def main() -> None:
    """Answer until there are no more requests."""
    _confine()
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while header := requests.read(REQUEST.size):
        cpu_seconds, length = REQUEST.unpack(header)
        _allow(cpu_seconds)
        alternatives = json.loads(requests.read(length))
        answers.write(json.dumps(answer(alternatives)).encode() + b"\n")
        answers.flush()


def answer(alternatives: Sequence[Sequence[Sequence[str]]]) -> JsonObject:
    """Return the answer about the attempts of each alternative."""
    programs: list[JsonValue] = []
    largest: list[JsonValue] = []
    length = most = 0
    with dead_handle() as handle:
        for number, attempted in enumerate(alternatives):
            try:
                codes = compile_strictly(handle, attempted)
                bounds = largest_programs(handle, attempted[0], codes)
                length += sum(map(len, codes))
                most += sum(map(len, bounds))
                check_length(length)
                check_length(most, is_bound=True)
            except FilterError as error:
                return {"error": error.message, "alternative": number}
            programs.append(_packed(codes))
            largest.append(None if bounds is codes else _packed(bounds))
    return {"programs": programs, "largest": largest}


def _packed(programs: Sequence[Code]) -> list[JsonValue]:
    return [packed(each) for each in programs]


def _confine() -> None:
    """Take from this process what compiling does not need, for good.

    Without new file descriptors there are no sockets, so libpcap cannot ask a resolver about a name,
    nor read files of this machine. Names of hosts and ports are then unknown; but the name of a
    protocol, should one get here, libpcap 1.10.3 takes for 0 instead of refusing it.
    """
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def _allow(cpu_seconds: int) -> None:
    """Let the next filter take so much: whoever could end this process may have been killed."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = math.ceil(used.ru_utime + used.ru_stime) + cpu_seconds
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
