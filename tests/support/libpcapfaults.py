"""libpcap with one call that fails: the real library otherwise, behind the same door."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nodeagent.libpcap import binding

MESSAGE = b"it failed\0"


class FaultyLibrary:
    """The library whose function `name` answers `answer`, from its `after`th call on."""

    def __init__(self, name: str, answer: object, *, after: int = 0) -> None:
        self._real = binding.live_lib
        self._name = name
        self._answer = answer
        self._left = after

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        return self._fail if name == self._name else real

    def _fail(self, *arguments: Any) -> Any:
        if self._left:
            self._left -= 1
            return getattr(self._real, self._name)(*arguments)
        if self._name == "pcap_dump_fopen":
            # As libpcap does where it cannot write the file's header.
            self._real.pcap_dump_close(self._real.pcap_dump_fopen(*arguments))
        elif self._name == "pcap_activate":
            # What fails has cleaned up after itself, what succeeds is cleaned up by closing.
            self._real.pcap_activate(*arguments)
        elif self._name in ("pcap_create", "pcap_setnonblock"):
            binding.ffi.memmove(arguments[-1], MESSAGE, len(MESSAGE))
        return self._answer


@contextmanager
def failing(name: str, answer: object, *, after: int = 0) -> Iterator[None]:
    """Let a function of libpcap fail inside the block."""
    real = binding.live_lib
    binding.live_lib = FaultyLibrary(name, answer, after=after)
    try:
        yield
    finally:
        binding.live_lib = real
