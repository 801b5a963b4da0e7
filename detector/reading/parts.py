"""One file that was read, and where its rows are."""

from __future__ import annotations

from dataclasses import dataclass

from detector.reading.counts import FileCount
from detector.reading.direct import Shape
from detector.reading.dumps import Dump


@dataclass(frozen=True)
class Part:
    """One file that was read.

    Attributes
    ----------
    staged
        Its rows in scratch, or null where its own rows are used as they lie.
    numbered
        Whether the rows in scratch have lines of their own; else they lie in the order of the lines.
    shape
        What decides how its rows are used, in the second case.
    notes
        What else the user should know of it.
    """

    dump: Dump
    counted: FileCount
    staged: str | None = None
    numbered: bool = False
    shape: Shape | None = None
    notes: tuple[str, ...] = ()
