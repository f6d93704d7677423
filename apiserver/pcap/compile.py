"""A child process that compiles filters, one after the other: requests on standard input, answers on output.

A request is `REQUEST` (how many seconds of CPU it may take, how many bytes of text follow) and the
text; an answer is a line of JSON, `{"instructions": n}` or `{"error": message}`. Only what goes wrong
with the filter is an answer; all else ends the process with a status that is not 0.
"""

import json
import math
import resource
import sys
from struct import Struct
from typing import Final

from apiserver.pcap.program import FilterError, count_instructions

REQUEST: Final = Struct(">II")
MAX_MEMORY_BYTES: Final = 1 << 30


def main() -> None:
    """Answer until there are no more requests."""
    _confine()
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while header := requests.read(REQUEST.size):
        cpu_seconds, length = REQUEST.unpack(header)
        _allow(cpu_seconds)
        text = requests.read(length).decode(errors="replace")
        answers.write(json.dumps(answer(text)).encode() + b"\n")
        answers.flush()


def answer(text: str) -> dict[str, int | str]:
    """Return the answer about one filter."""
    try:
        return {"instructions": count_instructions(text)}
    except FilterError as error:
        return {"error": error.message}


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
