"""Parquet: columns with types, nested ones by their dotted path."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb

from detector.errors import ReadError
from detector.reading import sql
from detector.reading.formats.source import Field, Format, Rows, Source
from detector.reading.mapping import MAPPABLE, Mapping
from detector.reading.sample import Sample


def recognises(sample: Sample) -> bool:
    """Whether the file says so in its first bytes."""
    return sample.is_parquet


def default(sample: Sample) -> Mapping:
    """Columns that are called as those of events are, unless the mapping names columns."""
    return Mapping.model_validate({"columns": {} if sample.mapping.columns else {name: name for name in MAPPABLE}})


def rows(source: Source) -> Iterator[Rows]:
    """DuckDB's reader; a row's number is its line."""
    path = source.opened.path
    if source.opened.dump.is_stream or source.opened.compression:
        raise ReadError(f"{path}: Parquet must be a file, neither a stream nor compressed once more; save it first")
    kinds = columns_of(path, con=source.con)
    fields = {name: place for name in dict.fromkeys((*kinds, *source.wanted)) if (place := _place(name, kinds))}
    # Rows are numbered here: DuckDB does not always write those of many row groups in the order in which it read them.
    columns = {"_line": "file_row_number + 1", "_part": "1", "_problem": "NULL::VARCHAR", "_ignored": "NULL::VARCHAR"}
    query = sql.select(columns | {f"_p{i}": f.sql for i, f in enumerate(fields.values())}, read_sql([path]))
    named = {name: Field(f"_p{i}", fields[name].kind) for i, name in enumerate(fields)}
    shown = [f"{sql.text(name + '=')} || {field.sql}::VARCHAR" for name, field in named.items()]
    yield Rows(query, named, f"concat_ws(', ', {', '.join(shown)})" if shown else "''")


def read_sql(paths: list[str]) -> str:
    """SQL for the rows of files of one shape, with `filename` and `file_row_number` (from 0)."""
    return f"read_parquet({sql.texts(paths)}, filename = true, file_row_number = true, hive_partitioning = false)"


def columns_of(path: str, *, con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Names and DuckDB types of a file's columns.

    Raises
    ------
    ReadError
        If it is not whole.
    """
    try:
        described = con.execute("DESCRIBE FROM read_parquet(?, hive_partitioning = false)", [path]).fetchall()
    except duckdb.Error as error:
        raise ReadError(
            f"{path}: not a whole Parquet file ({str(error).splitlines()[0]}); expected one; copy it again"
        ) from error
    return {row[0]: row[1] for row in described}


def _place(name: str, kinds: dict[str, str]) -> Field | None:
    """A column of that name, else a member of a nested one."""
    if name in kinds:
        return Field(sql.name(name), kinds[name])
    top, *members = name.split(".")
    if members and kinds.get(top, "").startswith("STRUCT"):
        return Field(".".join(map(sql.name, (top, *members))) + "::VARCHAR")
    return None


PARQUET = Format("parquet", "a Parquet file", recognises, default, rows)
