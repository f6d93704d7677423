"""A child process that compiles one filter: text on standard input, JSON on standard output.

The answer is `{"instructions": n}` or `{"error": message}`. Only what goes wrong with the filter is
an answer; all else ends the process with a status that is not 0.
"""

import json
import resource
import sys
from typing import Final

from apiserver.pcap.program import MAX_EXPRESSION_BYTES, FilterError, count_instructions

MAX_MEMORY_BYTES: Final = 1 << 30


def main() -> None:
    """Compile what standard input holds, for at most the CPU seconds in the first argument."""
    _confine(cpu_seconds=int(sys.argv[1]))
    # One byte more than can be used, so that what is too long is seen to be.
    text = sys.stdin.buffer.read(MAX_EXPRESSION_BYTES + 1).decode(errors="replace")
    json.dump(answer(text), sys.stdout)


def answer(text: str) -> dict[str, int | str]:
    """Return the answer about one filter."""
    try:
        return {"instructions": count_instructions(text)}
    except FilterError as error:
        return {"error": error.message}


def _confine(*, cpu_seconds: int) -> None:
    """Take from this process what compiling does not need, for good.

    Without new file descriptors there are no sockets, so libpcap cannot ask a resolver about a name,
    nor read files of this machine. Names of hosts and ports are then unknown; but the name of a
    protocol, should one get here, libpcap 1.10.3 takes for 0 instead of refusing it.
    """
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


if __name__ == "__main__":
    main()
