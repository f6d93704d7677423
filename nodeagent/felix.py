"""Felix's parameters in the environment (calico-semantics 6.2). Pure.

`FELIX_CaptureMaxFiles` and the like: names are compared without case, the prefix included. What cannot
be read, or is too small, falls back to the default, as Felix' own parameters do (on-failure policy
ReplaceWithDefault); it is said and never stops the agent.
"""

import re
from collections.abc import Mapping
from typing import Final

_PREFIX: Final = "FELIX_"
# Go's strconv.ParseInt with base 0: the base is told by how the number begins, and digits may be
# grouped by underscores then.
_INTEGER: Final = re.compile(
    r"(?P<sign>[+-]?)(?:(?P<prefix>0[xX]|0[oO]|0[bB]|0(?=[0-7_]))_?(?P<based>[0-9a-fA-F_]+)"
    r"|(?P<plain>0|[1-9](?:_?[0-9])*))",
    re.ASCII,
)
_BASES: Final = {"0x": 16, "0o": 8, "0b": 2, "0": 8}
_MAX_INT64: Final = 2**63 - 1


class FelixParameters:
    """The parameters that an environment gives; `warnings` has what could not be taken."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._values = {name.upper(): value for name, value in environment.items()}
        self.warnings: list[str] = []

    def text(self, name: str, default: str) -> str:
        """Return a parameter by its name in Felix' configuration file, `CaptureDir`."""
        return self._values.get(self._variable(name)) or default

    def integer(self, name: str, default: int, *, at_least: int = 1) -> int:
        """Return a parameter that is an integer, in any base that Go reads."""
        variable = self._variable(name)
        text = self._values.get(variable)
        if not text:
            return default
        value = parse_integer(text)
        if value is None or value < at_least:
            self.warnings.append(
                f"{variable}={text!r} is no integer from {at_least} on: it is {default}"
            )
            return default
        return value

    @staticmethod
    def _variable(name: str) -> str:
        return f"{_PREFIX}{name.upper()}"


def parse_integer(text: str) -> int | None:
    """Return a 64-bit integer as Go's strconv.ParseInt reads it with base 0, None if it does not."""
    found = _INTEGER.fullmatch(text)
    if found is None:
        return None
    digits = found["plain"] or found["based"]
    base = 10 if found["plain"] else _BASES[found["prefix"].lower()]
    try:
        value = int(f"{found['sign']}{digits}", base)
    except ValueError:
        return None
    return value if -_MAX_INT64 - 1 <= value <= _MAX_INT64 else None
