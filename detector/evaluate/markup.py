"""Frames as Markdown tables, readable as plain text too."""

from __future__ import annotations

import pandas as pd


def markdown_table(frame: pd.DataFrame, *, digits: int = 2) -> str:
    """Return a frame as a Markdown table, its index (if named) first; numbers rounded, null as a dash, `|` escaped."""
    named = frame.reset_index() if frame.index.name is not None else frame
    cells = [[_cell(value, digits=digits) for value in row] for row in named.itertuples(index=False, name=None)]
    head = [str(name).replace("_", " ") for name in named]
    widths = [max(len(row[i]) for row in [head, *cells]) for i in range(len(head))]
    rule = ["-" * width for width in widths]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in (head, rule, *cells)
    ]
    return "\n".join(lines) + "\n"


def _cell(value: object, *, digits: int) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or pd.isna(value):  # type: ignore[call-overload]  # a cell is a scalar
        return "–"
    if isinstance(value, float):
        return f"{value:.{digits}f}"
    return str(value).replace("|", "\\|")
