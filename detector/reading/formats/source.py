"""What a format is, and what a format makes of a file: a relation with one row per line, or per event of a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import uuid4

import duckdb

from detector.reading import sql, syslog
from detector.reading.dumps import Opened
from detector.reading.lines import Cutter, Lines
from detector.reading.mapping import Mapping as SourceMapping
from detector.reading.sample import Sample

BLANK = "blank"
HEADER = "header"
"""The `_ignored` of a line that repeats the column names; it counts as header."""


class Field(NamedTuple):
    """A source column: SQL over the relation's columns, and its DuckDB type."""

    sql: str
    kind: str = "VARCHAR"


@dataclass(frozen=True)
class Rows:
    """A file as a relation.

    `query` has the columns `_part` (1 for the first event of its line), `_problem` (why the line cannot be read, or
    null), `_ignored` (what kind of line it is, if not an event) and, if `numbered`, `_line`; without it, the order of
    the rows numbers them, after `header` lines. `text` is SQL for the line as text.
    """

    query: str
    fields: Mapping[str, Field]
    text: str
    header: int = 0
    numbered: bool = True
    complete: bool = True
    """Whether each line is a row; if not, the rows must be as many as the lines that were counted, or do not count."""


@dataclass
class Source:
    """A file about to be read: its bytes, its sample, the source columns that are wanted, and where SQL runs."""

    opened: Opened
    sample: Sample
    con: duckdb.DuckDBPyConnection
    mapping: SourceMapping
    lines: Lines | None = field(default=None)
    notes: list[str] = field(default_factory=list)
    """What the user should know of how it was read."""
    _table: str = ""

    @property
    def wanted(self) -> tuple[str, ...]:
        """Source columns that the mapping reads."""
        return self.mapping.source_columns

    def table_of_lines(self, cutter: Cutter | None = None) -> str:
        """The name of a relation of the file's lines (`_line`, `_text`, `_problem`, and cells); it can be read once."""
        self.lines = Lines(self.opened, self.sample.encoding)
        self._table = f"detector_lines_{uuid4().hex}"
        self.con.register(self._table, self.lines.reader(cutter))
        return self._table

    def release(self) -> None:
        """Let go of the file once its lines are read."""
        if self.lines and self._table:
            self.con.unregister(self._table)
            self.lines.tally.close()
            self._table = ""

    def bodies(self) -> str:
        """SQL for the file's lines with `_body`, the text without a syslog envelope if the file's lines have one."""
        body = syslog.message("_text") if self.sample.is_wrapped else "_text"
        return sql.within(sql.select({"_body": f"trim({body})"}, self.table_of_lines(), keep=True))


@dataclass(frozen=True)
class Format:
    """A log format: one file of this folder, and one line in `formats.FORMATS`.

    Attributes
    ----------
    name
        As `--input-format` and the counts have it.
    looks_like
        What its lines look like, for the message when nothing fits.
    recognises
        Whether a sample is of this format.
    default
        What its columns and values mean as long as a mapping does not say otherwise.
    rows
        Ways to read a file, the fastest first; one that fails or loses a line is followed by the next.
    skips_anonymous
        Whether lines that name no account are ignored: a web server logs much before anybody signs in.
    """

    name: str
    looks_like: str
    recognises: Callable[[Sample], bool]
    default: Callable[[Sample], SourceMapping]
    rows: Callable[[Source], Iterator[Rows]]
    skips_anonymous: bool = False
