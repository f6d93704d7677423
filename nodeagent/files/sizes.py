"""Sizes as people write them: quantities of Kubernetes. Pure."""

from decimal import Decimal
from typing import Final

from apiserver.quantity import QuantityError, parse_quantity

_UNITS: Final = (
    *((1 << 40, "Ti"), (10**12, "T"), (1 << 30, "Gi"), (10**9, "G")),
    *((1 << 20, "Mi"), (10**6, "M"), (1 << 10, "Ki"), (10**3, "k")),
)
_MAX_INT64: Final = 2**63 - 1
_MOST_UNITS: Final = 9999


def parse_size(text: str) -> int:
    """Return the bytes of a size such as `1000000`, `10M`, `10Mi`. Raises ValueError."""
    try:
        number = parse_quantity(text)
    except QuantityError as error:
        raise ValueError(f"{text!r} is no size, such as 1000000, 10M or 10Mi") from error
    if not 0 <= number <= _MAX_INT64 or number != Decimal(int(number)):
        raise ValueError(f"{text!r} is no number of whole bytes from 0 to {_MAX_INT64}")
    return int(number)


def render_size(size: int) -> str:
    """Return a size in the largest unit of which it is a whole number, else to a tenth of Mi or Gi."""
    for unit, suffix in _UNITS:
        if size % unit == 0 and 0 < size // unit <= _MOST_UNITS:
            return f"{size // unit}{suffix}"
    for unit, suffix in ((1 << 30, "Gi"), (1 << 20, "Mi")):
        if size >= unit:
            return f"{size / unit:.1f}{suffix}"
    return f"{size}"
