"""CSV and its like: comma, semicolon, tab or bar; names in the first line; quotes doubled within quotes.

DuckDB's own reader reads what is clean. A file in which it finds a fault, or a field that spans lines, is read again
line by line, so that every line has its number and each bad one is a reject.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator

from detector.errors import ConfigError, ReadError
from detector.reading import sql
from detector.reading.formats.source import BLANK, HEADER, Field, Format, Rows, Source
from detector.reading.lines import LONGEST_LINE_BYTES
from detector.reading.mapping import MAPPABLE, Mapping
from detector.reading.sample import Sample

DELIMITERS = (",", ";", "\t", "|")
_AGREE = 0.8  # of the sample's lines; more may be broken than is allowed to stay


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
    if not source.opened.dump.is_stdin and source.sample.encoding == "utf-8":
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
    cells = sql.select(
        {"_cells": _split("_text", delimiter), "_broken": _broken("_text", delimiter)}, source.line_table(), keep=True
    )
    number = len(names)
    found = f"len(_cells) - (len(_cells) = {number + 1} AND _cells[-1] = '')::INTEGER"
    problems = [
        ("_problem IS NOT NULL", "_problem"),
        ("_broken", "'a quote is opened and not closed, or closed within a field'"),
        (f"{found} <> {number}", f"({found})::VARCHAR || ' columns, expected {number}'"),
    ]
    ignored = [("trim(_text) = ''", sql.text(BLANK))]
    if source.mapping.csv.header:
        ignored.append((f"_text = {sql.text(source.sample.lines[0])}", sql.text(HEADER)))
    columns = {
        "_line": "_line",
        "_text": "_text",
        "_part": "1",
        "_problem": sql.cases(problems),
        "_ignored": sql.cases(ignored),
    } | {f"_c{place}": f"_cells[{place + 1}]" for place in range(number)}
    return Rows(sql.select(columns, sql.within(cells)), fields, "_text")


def _split(line: str, delimiter: str) -> str:
    """SQL for the cells of a line; only lines with a quote pay for quotes."""
    found = f"regexp_extract_all({sql.text(delimiter)} || {line}, {sql.text(_cell_pattern(delimiter))}, 1)"
    unquote = """CASE WHEN cell[1] = '"' THEN replace(cell[2:-2], '""', '"') ELSE cell END"""
    unquoted = f"list_transform({found}, lambda cell: {unquote})"
    return sql.cases([(_quoted(line), unquoted)], otherwise=f"string_split({line}, {sql.text(delimiter)})")


def _broken(line: str, delimiter: str) -> str:
    whole = f"{sql.text(delimiter)} || {line}"
    rest = f"array_to_string(regexp_extract_all({whole}, {sql.text(_cell_pattern(delimiter))}), '') <> {whole}"
    return sql.cases([(_quoted(line), rest)], otherwise="false")


def _quoted(line: str) -> str:
    return f"""contains({line}, '"')"""


def _cell_pattern(delimiter: str) -> str:
    mark = rf"\x{{{ord(delimiter):x}}}"
    return rf'{mark}("(?:[^"]|"")*"|[^"{mark}][^{mark}]*|)'


def _cell(place: int) -> str:
    return f"_c{place}"


def _names(sample: Sample) -> list[str]:
    first = next(csv.reader(sample.lines[:1], delimiter=_delimiter_of(sample)), [])
    return (
        [column.strip() for column in first]
        if sample.mapping.csv.header
        else [str(place + 1) for place in range(len(first))]
    )


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
        cells = list(csv.reader(sample.lines, delimiter=delimiter))
        width = len(cells[0])
        agree = sum(len(row) in (width, width + 1) for row in cells)
        merit = (len(wanted.intersection(map(str.strip, cells[0]))), width)
        if width > 1 and agree >= _AGREE * len(cells) and merit > most:
            best, most = delimiter, merit
    return best


DELIMITED = Format(
    "csv", "columns between commas, semicolons, tabs or bars, names in the first line", recognises, default, rows
)
