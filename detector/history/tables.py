"""The tables that a history holds per day, and how each is written: the same rows give the same bytes."""

from __future__ import annotations

from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from ibis.backends.duckdb import Backend
from ibis.expr.datatypes import DataType

from detector.account_days import ACCOUNT_DAYS
from detector.errors import SchemaError
from detector.schema import ACCOUNT_HOURS, ACCOUNT_RECORDS, ACCOUNT_SOURCES, EVENTS, Table

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
"""DuckDB's default, stated since the bytes of the files depend on it."""


def folder_of(table: str) -> str:
    """The folder of a table inside a history."""
    return _FOLDERS.get(table, table)


def write_rows(rows: ir.Table, path: Path, *, table: Table, con: Backend) -> int:
    """Write rows as Parquet, in an order and with settings that make equal rows equal bytes, and return their number.

    Parameters
    ----------
    rows
        Rows of `table`; other columns are left out.
    path
        Where to; an existing file is overwritten.

    Raises
    ------
    SchemaError
        If columns are missing, of another type, or null where they may not be.
    """
    missing = [name for name in table.names if name not in rows.columns]
    if missing:
        raise SchemaError(f"table {table.name} ({table.grain}): missing columns {', '.join(missing)}")
    rest = [name for name in table.names if name not in table.key]
    # The key first, for order and for reading; the rest so that rows of a table without a key have one order too.
    ordered = rows.select(*table.names).order_by([*table.key, *rest])
    con.to_parquet(ordered, path, compression="zstd", row_group_size=_ROW_GROUP_ROWS)
    return _inspect(path, table)


def read_rows(files: list[str], *, table: Table, con: Backend) -> ir.Table:
    """Read files of a table; columns that were added since they were written are null.

    Parameters
    ----------
    files
        Parquet files of the table, maybe none.
    """
    if not files:
        return ibis.memtable(table.empty())
    rows = con.read_parquet(files, union_by_name=True)
    types = {column.name: DataType.from_pyarrow(column.type) for column in table.columns}
    absent = {name: ibis.null(kind) for name, kind in types.items() if name not in rows.columns}
    return rows.mutate(**absent).select(*table.names) if absent else rows.select(*table.names)


def _inspect(path: Path, table: Table) -> int:
    with pq.ParquetFile(path) as file:
        faults = [*_misfits(file.schema_arrow, table), *_nulls(file.metadata, table)]
        if faults:
            raise SchemaError(f"table {table.name} ({table.grain}): " + "; ".join(faults))
        rows: int = file.metadata.num_rows
    return rows


def _misfits(found: pa.Schema, table: Table) -> list[str]:
    expected = table.arrow
    return [
        f"column {name!r} is {found.field(name).type}, not {expected.field(name).type}"
        for name in table.names
        if found.field(name).type != expected.field(name).type
    ]


def _nulls(found: pq.FileMetaData, table: Table) -> list[str]:
    groups = [found.row_group(index) for index in range(found.num_row_groups)]
    faults = []
    for place, column in enumerate(table.columns):
        nulls = 0 if column.null else sum(group.column(place).statistics.null_count for group in groups)
        if nulls:
            faults.append(f"column {column.name!r} has {nulls} nulls")
    return faults
