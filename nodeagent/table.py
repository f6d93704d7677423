"""Rows of text in columns, as kubectl shows them. Pure."""

from collections.abc import Sequence
from typing import Final

_GAP: Final = "   "


def render_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the lines, each with its end; an empty field is shown as `-`."""
    shown = [header, *([field or "-" for field in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    return "".join(
        _GAP.join(field.ljust(width) for field, width in zip(row, widths, strict=True)).rstrip()
        + "\n"
        for row in shown
    )
