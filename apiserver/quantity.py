"""Quantities (apimachinery, api/resource): numbers with a suffix, as in `100`, `1k`, `1Ki`, `5e3`."""

import re
from decimal import Decimal
from typing import Final

_QUANTITY: Final = re.compile(
    r"(?P<number>[+-]?(?:\d{1,40}\.?\d{0,40}|\.\d{1,40}))"
    r"(?:(?P<binary>[KMGTPE]i)|(?P<decimal>[numkMGTPE])|[eE](?P<exponent>[+-]?\d{1,2}))?",
    re.ASCII,
)
_DECIMAL: Final = {
    "n": -9,
    "u": -6,
    "m": -3,
    "k": 3,
    "M": 6,
    "G": 9,
    "T": 12,
    "P": 15,
    "E": 18,
}
_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


class QuantityError(ValueError):
    """Text that is no quantity."""


def parse_quantity(text: str) -> Decimal:
    """Return the number that a quantity is. Raises `QuantityError`."""
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise QuantityError(f'"{text}" is not a quantity')
    number = Decimal(found["number"])
    if found["binary"]:
        return number * (1 << _BINARY[found["binary"]])
    exponent = _DECIMAL[found["decimal"]] if found["decimal"] else int(found["exponent"] or 0)
    return number.scaleb(exponent)
