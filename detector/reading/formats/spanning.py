"""Rows of a CSV file that span lines, since a quoted field holds line breaks: their lines are put together.

A quote that is opened and never closed must not swallow the lines after it, nor may anybody hide lines between two
quotes that the log does not escape. So lines are only put together where they make a whole row of as many cells as the
others, within few lines, none of which is such a row by itself.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detector.reading.lines import SCHEMA as LINES

SPANNING = pa.schema([*LINES, pa.field("_continued", pa.bool_())])
"""Lines; `_continued`: the text of this one stands in the row that began above."""
MOST_LINES = 100
"""A quote that is open for longer was not meant to be one."""
_MOST_CHARACTERS = 100_000  # of a row; Python's reader refuses cells a little longer


@dataclass(frozen=True)
class Row:
    """What a whole row looks like: its delimiter, and how many cells it has."""

    delimiter: str
    width: int

    @property
    def pattern(self) -> str:
        """A regular expression for a row of any width, as RE2 and Python read it."""
        mark = rf"\x{ord(self.delimiter):02x}"
        cell = rf'(?:"(?:[^"]|"")*"|[^"{mark}][^{mark}]*|)'
        return rf"{cell}(?:{mark}{cell})*"

    def broken(self, texts: pa.Array) -> pa.Array:
        """Whether a quote is opened and not closed in a text, or closed within a field."""
        whole = pc.match_substring_regex(texts, f"^{self.pattern}$")
        return pc.and_(pc.match_substring(texts, '"'), pc.invert(whole))

    def is_made_of(self, text: str) -> bool:
        """Whether a text, which may have line breaks, is a whole row of that width."""
        if text.count(self.delimiter) < self.width - 1 or not re.fullmatch(self.pattern, text):
            return False
        return len(next(csv.reader(io.StringIO(text, newline=""), delimiter=self.delimiter))) == self.width


def put_together(blocks: Iterator[pa.RecordBatch], row: Row) -> Iterator[pa.RecordBatch]:
    """Blocks of lines (`lines.SCHEMA`) as blocks of `SPANNING`, in which a row stands whole where it begins."""
    held: list[pa.RecordBatch] = []
    for block in blocks:
        lines = pa.concat_batches([*held, block])
        joined, cut = _joined(lines, row, is_last=False)
        held = [lines.slice(cut)] if cut < len(lines) else []
        yield joined
    if held:
        yield _joined(held[0], row, is_last=True)[0]


def _joined(lines: pa.RecordBatch, row: Row, *, is_last: bool) -> tuple[pa.RecordBatch, int]:
    """Lines with their rows put together, up to one that may go on in the next block, and where that begins."""
    sound = pc.is_null(lines.column("_problem"))
    broken = pc.and_(sound, row.broken(lines.column("_text"))).to_numpy(zero_copy_only=False)
    continued, cut = np.zeros(len(lines), dtype=np.bool_), len(lines)
    texts = lines.column("_text")
    if broken.any():
        told, end = texts.to_pylist(), 0
        may_follow = sound.to_numpy(zero_copy_only=False)
        for first in np.flatnonzero(broken):
            if first < end:
                continue
            end, is_open = _end(told, may_follow, int(first), row)
            if is_open and not is_last:
                cut = int(first)
                break
            told[first] = "\n".join(told[first:end])
            continued[first + 1 : end] = True
        texts = pa.array(told, pa.string())
    columns = [lines.column("_line"), texts, lines.column("_problem"), pa.array(continued)]
    return pa.record_batch(columns, schema=SPANNING).slice(0, cut), cut


def _end(texts: list[str], may_follow: npt.NDArray[np.bool_], first: int, row: Row) -> tuple[int, bool]:
    """The place after a row that begins with a broken line (after the line if none does), and whether it may go on."""
    text = texts[first]
    for place in range(first + 1, first + MOST_LINES):
        if place == len(texts):
            return first + 1, True
        text += "\n" + texts[place]
        if not may_follow[place] or len(text) > _MOST_CHARACTERS or row.is_made_of(texts[place]):
            break
        if row.is_made_of(text):
            return place + 1, False
    return first + 1, False
