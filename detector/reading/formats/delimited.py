"""CSV and its like: comma, semicolon, tab or bar; names in the first line; quotes doubled within quotes.

DuckDB's own reader reads what is clean. A file in which it finds a fault, or a field that spans lines, is read again
line by line, so that every line has its number and each bad one is a reject. A row that spans lines has the number of
its first; the others are counted as ignored.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from detector.errors import ConfigError, ReadError
from detector.reading import sql
from detector.reading.formats.source import BLANK, HEADER, Field, Format, Rows, Source
from detector.reading.formats.spanning import SPANNING, Row, put_together
from detector.reading.lines import LONGEST_LINE_BYTES, Cutter
from detector.reading.mapping import MAPPABLE, Mapping
from detector.reading.sample import Sample

CONTINUED = "line of the row above"
"""Kind of ignored lines: what they say stands in a quoted field of the row that began above them."""
DELIMITERS = (",", ";", "\t", "|")
_AGREE = 0.8  # of the sample's lines; more may be broken than is allowed to stay
_LONGEST_SAMPLED = 100_000  # characters of a line of the sample; Python's reader refuses cells a little longer


def recognises(sample: Sample) -> bool:
    """Whether the lines have equally many columns, two at least, and do not begin as JSON."""
    lines = sample.lines
    if not lines or sample.is_parquet or lines[0][0] in "{[<":
        return False
    return sample.mapping.csv.delimiter is not None or _delimiter(sample) is not None


def default(sample: Sample) -> Mapping:
    """Columns that are called as those of events are, unless the mapping names columns."""
    names = set() if sample.mapping.columns else set(_names(sample))
    return Mapping.model_validate({"columns": {column: column for column in MAPPABLE if column in names}})


def rows(source: Source) -> Iterator[Rows]:
    """DuckDB's reader, then line by line."""
    names, delimiter = _names(source.sample), _delimiter_of(source.sample)
    _refuse_repeated(source, names)
    fields = {column: Field(_cell(place)) for place, column in enumerate(names)}
    if not source.opened.dump.is_stream and source.sample.encoding == "utf-8":
        yield _fast(source, names, delimiter, fields)
    yield _careful(source, names, delimiter, fields)


def _fast(source: Source, names: list[str], delimiter: str, fields: dict[str, Field]) -> Rows:
    header = source.mapping.csv.header
    cells = ", ".join(f"{sql.text(f'_c{place}')}: 'VARCHAR'" for place in range(len(names)))
    settings = {
        "columns": f"{{{cells}}}",
        "delim": sql.text(delimiter),
        "quote": sql.text('"'),
        "escape": sql.text('"'),
        "header": str(header).lower(),
        "compression": sql.text(source.opened.compression or "none"),
        "max_line_size": str(LONGEST_LINE_BYTES),
        "auto_detect": "false",
        "strict_mode": "true",
        "null_padding": "false",
        # Side by side, blocks of a file come in any order (DuckDB 2.0.0), and the order numbers the lines.
        "parallel": "false",
    }
    given = ", ".join(f"{option} = {value}" for option, value in settings.items())
    read = f"read_csv({sql.text(source.opened.path)}, {given})"
    repeated = " AND ".join(f"{_cell(place)} = {sql.text(column)}" for place, column in enumerate(names) if column)
    columns = {
        "_part": "1",
        "_problem": "NULL::VARCHAR",
        "_ignored": sql.cases([(repeated, sql.text(HEADER))], otherwise="NULL::VARCHAR") if header else "NULL::VARCHAR",
    }
    shown = ", ".join(f"coalesce({_cell(place)}, '')" for place in range(len(names)))
    line = f"concat_ws({sql.text(delimiter)}, {shown})"
    return Rows(sql.select(columns, read, keep=True), fields, line, header=int(header), numbered=False, complete=False)


def _careful(source: Source, names: list[str], delimiter: str, fields: dict[str, Field]) -> Rows:
    """Lines whose cells Arrow's reader takes apart, block by block, once each is known to be a whole row."""
    table = source.table_of_lines(_cells(Row(delimiter, _width(source.sample, len(names), delimiter))))
    ignored = [("_continued", sql.text(CONTINUED)), ("trim(_text) = ''", sql.text(BLANK))]
    if source.mapping.csv.header:
        ignored.append((f"_text = {sql.text(source.sample.lines[0])}", sql.text(HEADER)))
    kept = {name: name for name in ("_line", "_text", "_problem", *(_cell(place) for place in range(len(names))))}
    columns = kept | {"_part": "1", "_ignored": sql.cases(ignored, otherwise="NULL::VARCHAR")}
    return Rows(sql.select(columns, table), fields, "_text")


def _width(sample: Sample, named: int, delimiter: str) -> int:
    """The columns of a row: those that are named, and one without name where most lines end with a delimiter."""
    widths = [len(row) for row in _cut(sample.lines[1:], delimiter)]
    return named + (widths.count(named + 1) > widths.count(named))


def _cells(row: Row) -> Cutter:
    """Cut blocks of lines into cells; a line that is no row has no cells, and a problem."""
    schema = pa.schema([*SPANNING, *(pa.field(_cell(place), pa.string()) for place in range(row.width))])

    def cut(blocks: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return (_cut_block(lines, row, schema) for lines in put_together(blocks, row))

    return Cutter(schema, cut)


def _cut_block(lines: pa.RecordBatch, row: Row, schema: pa.Schema) -> pa.RecordBatch:
    problems, continued = _with_broken_quotes(lines, row), lines.column("_continued")
    whole = pc.and_(pc.is_null(problems), pc.invert(continued))
    rows, wrong = _parsed(lines.column("_text").filter(whole), row)
    places = np.flatnonzero(whole.to_numpy(zero_copy_only=False))
    said = problems.to_pylist() if wrong else []
    for line, found in wrong.items():
        said[places[line]] = f"{found} columns, expected {row.width}"
    positions = np.full(len(lines), -1)
    positions[np.delete(places, list(wrong))] = np.arange(rows.num_rows)
    taken = rows.take(pa.array(positions, mask=positions < 0)).combine_chunks()
    cells = [column.combine_chunks() for column in taken.columns]
    problems = pa.array(said, pa.string()) if wrong else problems
    return pa.record_batch([lines.column("_line"), lines.column("_text"), problems, continued, *cells], schema=schema)


def _with_broken_quotes(lines: pa.RecordBatch, row: Row) -> pa.Array:
    """The problems of lines; one more is a quote that would swallow the next lines. None of what is in a row above."""
    broken = pc.and_(row.broken(lines.column("_text")), pc.invert(lines.column("_continued")))
    told = pc.if_else(
        broken, "a quote is opened and not closed, or closed within a field", pa.scalar(None, pa.string())
    )
    return pc.coalesce(lines.column("_problem"), told)


def _parsed(texts: pa.Array, row: Row) -> tuple[pa.Table, dict[int, int]]:
    """The cells of lines that are whole rows, and the lines (from 0) that have another number of cells, with it."""
    wrong: dict[int, int] = {}
    if not len(texts):
        return pa.table({_cell(place): pa.array([], pa.string()) for place in range(row.width)}), wrong

    def skip(invalid: arrow_csv.InvalidRow) -> str:
        wrong[invalid.number - 1] = invalid.actual_columns
        return "skip"

    ended = pa.concat_arrays([texts, pa.array([""])])  # the last line may be empty, and must end to count
    body = pc.binary_join(pa.ListArray.from_arrays([0, len(ended)], ended), "\n")[0].as_buffer()
    names = [_cell(place) for place in range(row.width)]
    spans = bool(pc.any(pc.match_substring(texts, "\n")).as_py())
    parsed = arrow_csv.read_csv(
        pa.BufferReader(body),
        arrow_csv.ReadOptions(use_threads=False, column_names=names, block_size=body.size + 1),
        arrow_csv.ParseOptions(
            delimiter=row.delimiter, ignore_empty_lines=False, invalid_row_handler=skip, newlines_in_values=spans
        ),
        arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
    )
    return parsed, wrong


def _cell(place: int) -> str:
    return f"_c{place}"


def _names(sample: Sample) -> list[str]:
    first = next(iter(_cut(sample.lines[:1], _delimiter_of(sample))), [])
    return (
        [column.strip() for column in first]
        if sample.mapping.csv.header
        else [str(place + 1) for place in range(len(first))]
    )


def _cut(lines: list[str], delimiter: str) -> list[list[str]]:
    """The cells of each line by itself: a quote that is not closed spoils no other line."""
    # Python's reader refuses a carriage return within a line; what it means is for the reader of the whole file to say.
    flat = (line[:_LONGEST_SAMPLED].replace("\r", " ") for line in lines)
    return [next(csv.reader([line], delimiter=delimiter), []) for line in flat]


def _refuse_repeated(source: Source, names: list[str]) -> None:
    repeated = [name for name, times in Counter(names).items() if times > 1 and name in source.wanted]
    if repeated:
        raise ConfigError(
            f"{source.opened.path}: the header names {repeated[0]!r} more than once; expected each column once"
        )


def _delimiter_of(sample: Sample) -> str:
    delimiter = sample.mapping.csv.delimiter or _delimiter(sample)
    if delimiter is None:
        raise ReadError(
            f"{sample.path}: no delimiter of {' '.join(map(repr, DELIMITERS))} cuts its lines into equally many "
            "columns; name it in the mapping: [csv] delimiter"
        )
    return delimiter


def _delimiter(sample: Sample) -> str | None:
    """The delimiter that cuts nearly all lines into equally many columns: those that are wanted, then the most."""
    wanted = set(sample.mapping.source_columns or MAPPABLE)
    best, most = None, (0, 1)
    for delimiter in DELIMITERS:
        cells = _cut(sample.lines, delimiter)
        width = len(cells[0])
        agree = sum(len(row) in (width, width + 1) for row in cells)
        merit = (len(wanted.intersection(map(str.strip, cells[0]))), width)
        if width > 1 and agree >= _AGREE * len(cells) and merit > most:
            best, most = delimiter, merit
    return best


DELIMITED = Format(
    "csv", "columns between commas, semicolons, tabs or bars, names in the first line", recognises, default, rows
)
