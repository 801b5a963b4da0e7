"""The tables that a history holds per day, and how each is written: the same rows give the same bytes."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from ibis.backends.duckdb import Backend
from ibis.expr.datatypes import DataType

from detector.account_days import ACCOUNT_DAYS
from detector.errors import SchemaError
from detector.history.adding import add_up
from detector.schema import ACCOUNT_HOURS, ACCOUNT_RECORDS, ACCOUNT_SOURCES, EVENTS, Column, Table

OPEN_EVENTS = Table(
    "open_events",
    "one row per event of a day that is still open",
    tuple(column for column in EVENTS.columns if column.name not in ("source", "line")),
)
"""Events without their place in the dumps: evidence stays there, and how they are cut into files changes nothing."""

TABLES = {table.name: table for table in (ACCOUNT_SOURCES, ACCOUNT_RECORDS, ACCOUNT_HOURS, ACCOUNT_DAYS, OPEN_EVENTS)}
"""Tables by name; each has a folder of that name, open events excepted."""

_FOLDERS = {OPEN_EVENTS.name: "open"}
_ROW_GROUP_ROWS = 122_880
"""DuckDB's usual row group: enough for its threads to share a day, small enough to skip."""
_BATCH_ROWS = 61_440
_SELDOM_TWICE = ("record",)
_TIMES = ("timestamp", "first_at", "last_at")
_INSTANTS = "DELTA_BINARY_PACKED"
"""Columns whose values hardly ever occur twice get no dictionary: to begin one takes longer, and more room."""
_QUERIES = 32
"""Queries whose SQL is remembered: a few tables, each with and without a clock change."""


def folder_of(table: str) -> str:
    """The folder of a table inside a history."""
    return _FOLDERS.get(table, table)


def write_rows(
    rows: ir.Table, path: Path, *, table: Table, con: Backend, encodings: Mapping[str, str] | None = None
) -> int:
    """Write rows as Parquet, in an order and with settings that make equal rows equal bytes, and return their number.

    Parameters
    ----------
    rows
        Rows of `table`; other columns are left out. Account-records that share a key are added up.
    path
        Where to; an existing file is overwritten.
    encodings
        Parquet's, of columns that no dictionary suits.

    Raises
    ------
    SchemaError
        If columns are missing, of another type, or null where they may not be.
    """
    missing = [name for name in table.names if name not in rows.columns]
    if missing:
        raise SchemaError(f"table {table.name} ({table.grain}): missing columns {', '.join(missing)}")
    typed = rows.select(**{column.name: _as_stored(rows[column.name], column) for column in table.columns})
    instants = {column.name: _INSTANTS for column in table.columns if column.name in _TIMES}
    count, special = 0, instants | dict(encodings or {})
    words = [name for name in table.names if name not in special and name not in _SELDOM_TWICE]
    with pq.ParquetWriter(
        path, table.arrow, compression="zstd", use_dictionary=words, column_encoding=special or None
    ) as writer:
        for group in _row_groups(_sorted_rows(typed, table, con)):
            writer.write_table(_checked(group, table), row_group_size=_ROW_GROUP_ROWS)
            count += group.num_rows
    return count


def _sorted_rows(rows: ir.Table, table: Table, con: Backend) -> Iterator[pa.Table]:
    batches = _sorted_batches(rows, table, con)
    if table is ACCOUNT_RECORDS:
        return add_up(batches, table)
    return (pa.Table.from_batches([batch]) for batch in batches)


def _sorted_batches(rows: ir.Table, table: Table, con: Backend) -> Iterator[pa.RecordBatch]:
    """The rows in order, batch by batch, so that they need not fit into memory.

    DuckDB's own Parquet writer is not used: its bytes depend on how a query was planned. Ibis' batches are not, since
    on DuckDB 2 they fail.
    """
    # No two rows share a key, or they are added up; a table without one is sorted by all there is, to have one order.
    order = ", ".join(f'"{name}"' for name in table.key or table.names)
    con._run_pre_execute_hooks(rows)  # noqa: SLF001 - registers tables in memory, as all that Ibis runs itself does
    query = f"SELECT * FROM ({_written(con, rows.op())}) ORDER BY {order}"  # noqa: S608 - names are the schema's
    with con.con.sql(query).to_arrow_reader(_BATCH_ROWS) as batches:
        yield from batches


@functools.lru_cache(maxsize=_QUERIES)
def _written(con: Backend, rows: ops.Relation) -> str:
    """A query's SQL, which takes Ibis longer to write than a small day's takes to run; most days ask the same."""
    return str(con.compile(rows.to_expr()))


def _row_groups(parts: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Parts cut anew, so that row groups do not depend on how a query was run."""
    rest = next(parts, None)
    if rest is None:
        return
    for part in parts:
        rest = pa.concat_tables([rest, part])
        while rest.num_rows > _ROW_GROUP_ROWS:
            yield rest.slice(0, _ROW_GROUP_ROWS).combine_chunks()
            rest = rest.slice(_ROW_GROUP_ROWS)
    yield rest.combine_chunks()


def _checked(group: pa.Table, table: Table) -> pa.Table:
    """The rows with the schema's types and nullability."""
    faults = []
    for column in table.columns:
        values = group.column(column.name)
        if not _fits(values.type, column.type):
            faults.append(f"column {column.name!r} is {values.type}, not {column.type}")
        elif values.null_count and not column.null:
            faults.append(f"column {column.name!r} has {values.null_count} nulls")
    if faults:
        raise SchemaError(f"table {table.name} ({table.grain}): " + "; ".join(faults))
    return group.cast(table.arrow)


def _fits(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Equal types; an instant's zone is only how DuckDB shows it."""
    return bool(found == wanted or (pa.types.is_timestamp(found) and found.tz and pa.types.is_timestamp(wanted)))


def _as_stored(values: ir.Column, column: Column) -> ir.Value:
    """Values cast to the column's type, where it is a matter of width: sums of integers are wider than Ibis thinks."""
    wanted, found = DataType.from_pyarrow(column.type), values.type()
    if found.is_null() or type(found) is type(wanted) or (found.is_integer() and wanted.is_integer()):
        return ops.Cast(values, wanted).to_expr()  # `values.cast` leaves out what Ibis thinks is done already
    return values


def read_rows(files: Sequence[str], *, table: Table, con: Backend, name: str | None = None) -> ir.Table:
    """Read files of a table; columns that were added since they were written are null.

    Parameters
    ----------
    files
        Parquet files of the table, maybe none.
    name
        Name of the view to read through; whatever was read through that name before is not to be used any more.
    """
    if not files:
        return ibis.memtable(table.empty())
    rows = con.read_parquet(list(files), table_name=name, union_by_name=True)
    types = {column.name: DataType.from_pyarrow(column.type) for column in table.columns}
    absent = {name: ibis.null(kind) for name, kind in types.items() if name not in rows.columns}
    return rows.mutate(**absent).select(*table.names) if absent else rows.select(*table.names)
