"""One file: used where it lies if nothing has to change, else conformed to Parquet in scratch, block by block."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import duckdb
import pyarrow as pa

from detector.errors import ReadError
from detector.reading import direct, sql
from detector.reading.conform import CONTENT, Meaning, conform
from detector.reading.counts import FileCount
from detector.reading.dumps import Dump, Opened, pass_through
from detector.reading.formats import format_of
from detector.reading.formats.parquet import PARQUET
from detector.reading.formats.source import HEADER, Format, Rows, Source
from detector.reading.mapping import Mapping
from detector.reading.parts import Part
from detector.reading.sample import take_sample
from detector.reading.tidy import tidied

EVENT_ROW = "_problem IS NULL AND _ignored IS NULL"
_SMALL_BYTES = 1 << 24  # below, every line leaves its hash, so that repeated lines are found
_PRINT_EVERY = 64
_MOST_WORDS = 4096  # of a column of a row group, that are written once each: to look for more takes longer than writing


def read_file(
    dump: Dump, *, supplied_elsewhere: tuple[str, ...], con: duckdb.DuckDBPyConnection, scratch: Path, zone: str
) -> Part:
    """Read one file.

    Raises
    ------
    ReadError, ConfigError
        See `detector.reading.read`.
    """
    opened = Opened(dump)
    sample = take_sample(opened)
    if not sample.is_parquet and not sample.lines:
        return Part(dump, _passed(opened), notes=("it is empty",))
    form = format_of(sample, name=dump.input.format)
    target = scratch / f"events-{uuid4().hex}.parquet"
    if form is PARQUET and not supplied_elsewhere and (part := _lying(opened, con)):
        return part
    asked = dump.input.mapping
    mapping = asked.over(form.default(sample))
    every = 1 if opened.is_small(_SMALL_BYTES) else _PRINT_EVERY
    meaning = Meaning(asked, mapping, mapping.time.zone or zone, supplied_elsewhere, form.skips_anonymous, every)
    return _stage(form, Source(opened, sample, con, mapping), meaning, target)


def events_of(parts: list[Part]) -> list[str]:
    """Queries for the events of files: one for all staged ones, one for each shape of those used where they lie.

    With `RECORD_CODE` if all are identifiers where they lie: what else tells records apart is another number.
    """
    with_codes = all(part.shape and part.shape.identifies for part in parts)
    queries = []
    if staged := [part.staged for part in parts if part.staged]:
        columns = {name: sql.name(name) for name in CONTENT} | {"source": "_source", "line": LINE}
        queries.append(sql.select(columns, staged_rows(staged), where=EVENT_ROW))
    shapes: dict[direct.Shape, list[str]] = {}
    for part in parts:
        if part.shape:
            shapes.setdefault(part.shape, []).append(part.dump.path)
    return [*queries, *(direct.events_sql(paths, shape, with_codes=with_codes) for shape, paths in shapes.items())]


LINE = "coalesce(_line, file_row_number + 1 + _header)"
"""SQL for the line of a staged row."""


def staged_rows(files: list[str]) -> str:
    """SQL for staged rows; `_line` is null where the order of the rows numbers them."""
    return f"read_parquet({sql.texts(files)}, file_row_number = true)"


def rejects_of(parts: list[Part], *, con: duckdb.DuckDBPyConnection) -> pa.Table:
    """The rejected lines of all files, by file and line."""
    staged = [part.staged for part in parts if part.staged and part.counted.rejected]
    columns = {"source": "_source", "line": LINE, "reason": "_problem", "text": "_text"}
    if not staged:
        return con.sql(sql.select(dict.fromkeys(columns, "''") | {"line": "0"}, "range(0)")).to_arrow_table()
    rejected = sql.select(columns, staged_rows(staged), where="_problem IS NOT NULL")
    return con.sql(rejected + " ORDER BY source, line").to_arrow_table()


def _lying(opened: Opened, con: duckdb.DuckDBPyConnection) -> Part | None:
    if opened.dump.is_stream or opened.compression:
        return None
    shape = direct.shape_of(opened.path, opened.dump.input.mapping, con=con)
    # Of a small file every row leaves its hash, which tells repeated ones.
    if shape is None or (shape.identifies and opened.is_small(_SMALL_BYTES)):
        return None
    # Hashing the file keeps one processor busy while DuckDB is short of work for it.
    with ThreadPoolExecutor(1) as beside:
        passing = beside.submit(pass_through, opened, count_lines=False)
        checked = direct.check(opened.path, shape, con=con)
        _, tally = passing.result()
    if checked is None:
        return None
    rows, notes = checked
    counted = FileCount(opened.path, PARQUET.name, tally.sha256, tally.size, rows, read=rows, events=rows)
    return Part(opened.dump, counted, shape=shape, notes=notes)


def _whence(path: str, *, header: int, numbered: bool) -> dict[str, str]:
    """What staged rows hold of where they are from; without numbers of their own, their order numbers them."""
    found = {"_source": sql.text(path), "_header": f"{header}::BIGINT"}
    return found if numbered else found | {"_line": "NULL::BIGINT"}


def _stage(form: Format, source: Source, meaning: Meaning, target: Path) -> Part:
    opened, failure = source.opened, ReadError(f"{source.opened.path}: lines were lost in reading it as {form.name}")
    for rows in form.rows(source):
        query = conform(rows, meaning, path=opened.path)
        extra = _whence(opened.path, header=rows.header, numbered=rows.numbered)
        try:
            if not _write_tidy(rows, meaning, extra, target, source.con):
                staged = sql.select(extra, sql.within(query), keep=True)
                _write(staged, target, source.con, in_order=not rows.numbered)
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            failure = _failure(source, error)
            continue
        finally:
            source.release()
        counted = _counted(form, source, rows, str(target))
        if counted is not None:
            return Part(opened.dump, counted, str(target), rows.numbered, notes=_notes(source, meaning))
    raise failure


def _write_tidy(
    rows: Rows, meaning: Meaning, extra: dict[str, str], target: Path, con: duckdb.DuckDBPyConnection
) -> bool:
    """Write a file whose values need no change as it is; false: it is not, or may not be, of that kind."""
    query = tidied(rows, meaning)
    if query is None:
        return False
    try:
        _write(sql.select(extra, sql.within(query), keep=True), target, con, in_order=True)
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error:  # at the first line that is not
        return False
    shape = direct.shape_of(str(target), Mapping(records=meaning.mapping.records), con=con)
    return shape is not None and direct.check(str(target), shape, con=con, is_kept=False) is not None


def _write(query: str, target: Path, con: duckdb.DuckDBPyConnection, *, in_order: bool) -> None:
    """Write what a query gives; where its order numbers the rows, DuckDB must be told, setting or no setting."""
    options = f"FORMAT parquet, DICTIONARY_SIZE_LIMIT {_MOST_WORDS}" + (", PRESERVE_ORDER true" if in_order else "")
    con.execute(f"COPY ({query}) TO {sql.text(str(target))} ({options})")


def _failure(source: Source, error: duckdb.Error) -> ReadError:
    """An error that tells no log text: DuckDB's own message may quote the line that it stumbled on."""
    if source.lines and source.lines.failure:
        return source.lines.failure
    return ReadError(f"{source.opened.path}: DuckDB cannot read it ({type(error).__name__}); is the file whole?")


def _counted(form: Format, source: Source, rows: Rows, staged: str) -> FileCount | None:
    """The counts of a staged file; null if lines were lost on the way, or passed that should not."""
    lines = source.lines if rows.complete else None
    if lines:
        tally, expected = lines.tally, lines.count
    else:
        content, tally = pass_through(source.opened, count_lines=form is not PARQUET)
        if content.holds_nul:  # DuckDB's reader lets it pass; line by line it is a reject
            return None
        expected = content.lines
    columns = {
        "ignored": "_ignored",
        "rejected": "count(*) FILTER (_problem IS NOT NULL AND _part = 1)",
        "lines": "count(*) FILTER (_part = 1)",
        "events": f"count(*) FILTER ({EVENT_ROW})",
    }
    found = source.con.execute(sql.select(columns, staged_rows([staged])) + " GROUP BY _ignored").fetchall()
    kinds = {kind: lines for kind, _, lines, _ in found if kind is not None}
    header = rows.header + kinds.pop(HEADER, 0)
    rejected, events = sum(row[1] for row in found), sum(row[3] for row in found)
    passed = sum(row[2] for row in found) + rows.header
    if form is not PARQUET and passed != expected:
        return None
    ignored = dict(sorted(kinds.items()))
    read = passed - header - sum(ignored.values()) - rejected
    return FileCount(
        source.opened.path, form.name, tally.sha256, tally.size, passed, header, read, ignored, rejected, events
    )


def _notes(source: Source, meaning: Meaning) -> tuple[str, ...]:
    notes = list(source.notes)
    if "outcome" not in meaning.mapping.columns and "outcome" not in meaning.mapping.constants:
        notes.append("nothing gives the outcome: all counts as done, so that no failure and no miss is seen")
    if source.lines and source.lines.not_utf8:
        one = source.lines.not_utf8 == 1
        notes.append(
            "1 line is not UTF-8 and was read as Windows-1252"
            if one
            else f"{source.lines.not_utf8} lines are not UTF-8 and were read as Windows-1252"
        )
    return tuple(notes)


def _passed(opened: Opened) -> FileCount:
    """The counts of a file that has blank lines only, or none."""
    content, tally = pass_through(opened, count_lines=True)
    ignored = {"blank": content.lines} if content.lines else {}
    return FileCount(opened.path, "empty", tally.sha256, tally.size, content.lines, ignored=ignored)
