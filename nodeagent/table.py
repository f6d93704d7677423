"""Rows of text in columns, as kubectl shows them. Pure."""

from collections.abc import Sequence
from typing import Final

_GAP: Final = "   "


def render_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the lines, each with its end.

    An empty field is shown as `-`, and what a terminal might take for a command as Python spells it.
    """
    shown = [header, *([_show(field) for field in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    return "".join(
        _GAP.join(field.ljust(width) for field, width in zip(row, widths, strict=True)).rstrip()
        + "\n"
        for row in shown
    )


def _show(field: str) -> str:
    return (field if field.isprintable() else ascii(field)[1:-1]) or "-"
