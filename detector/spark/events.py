"""Canonical events for a cluster: Parquet files with the columns of `EVENTS`, whose records are tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - what everybody calls it
from pyspark.sql.pandas.types import from_arrow_type
from pyspark.sql.types import IntegralType

from detector.errors import ReadError, SchemaError
from detector.reading.records import IDENTIFIER, SEPARATORS
from detector.schema import EVENTS

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from detector.spark.backend import SparkBackend

_PLACES = {"source": "_metadata.file_path", "line": "_metadata.row_index + 1"}
"""Where an event stands, if the files do not say: Spark's own name of the file, and the row in it."""


def read_events(con: SparkBackend, paths: Sequence[str]) -> ir.Table:
    """Open canonical events.

    Parameters
    ----------
    con
        The session.
    paths
        Files, folders or globs, as Spark names them: `/mnt/day/*.parquet`, `s3a://bucket/day=2026-03-12/`.

    Raises
    ------
    ReadError
        If nothing can be read there, or a record looks like an identifier.
    SchemaError
        If columns are missing, of another type, or hold what they may not. All faults are told together.
    """
    try:
        frame = con.session.read.option("mergeSchema", "true").parquet(*paths)
        rows = frame.select(*_columns(frame))
    except AnalysisException as error:
        raise ReadError(f"{', '.join(paths)}: Spark cannot read this as Parquet ({error})") from error
    _refuse(rows)
    return con.table_of(rows)


def _columns(frame: DataFrame) -> list[Column]:
    found = {field.name: field.dataType for field in frame.schema.fields}
    columns, faults = [], []
    for column in EVENTS.columns:
        wanted = from_arrow_type(column.type)
        if column.name in found:
            kind = found[column.name]
            whole = isinstance(kind, IntegralType) and isinstance(wanted, IntegralType)
            if kind != wanted and not whole:
                faults.append(f"column {column.name!r} is {kind.simpleString()}, not {wanted.simpleString()}")
            columns.append(F.col(f"`{column.name}`").cast(wanted).alias(column.name))
        elif column.name in _PLACES:
            columns.append(F.expr(_PLACES[column.name]).cast(wanted).alias(column.name))
        elif column.null:
            columns.append(F.lit(None).cast(wanted).alias(column.name))
        else:
            faults.append(f"missing column {column.name!r} ({column.type})")
    if faults:
        raise SchemaError(f"table {EVENTS.name} ({EVENTS.grain}): " + "; ".join(faults))
    return columns


def _refuse(rows: DataFrame) -> None:
    """Look once through what must be there, what may stand there, and for identifiers among the tokens."""
    checked = [column for column in EVENTS.columns if column.values or not column.null]
    amiss = {
        column.name: F.col(column.name).isNull() if not column.values else ~_allowed(column.name, column.values)
        for column in checked
        if not (column.values and column.null)
    }
    amiss |= {c.name: ~_allowed(c.name, c.values) & F.col(c.name).isNotNull() for c in checked if c.values and c.null}
    counts = [F.sum(bad.cast("long")).alias(name) for name, bad in amiss.items()]
    compact = F.regexp_replace(F.upper("record"), SEPARATORS, "")
    named = F.sum(compact.rlike(IDENTIFIER).cast("long")).alias("record")
    found = rows.agg(F.count("*").alias("n"), named, *counts).collect()[0].asDict()
    if not found["n"]:
        raise ReadError("no event in these files")
    if found["record"]:
        raise ReadError(
            f"{found['record']} records look like identifiers of persons: Spark takes tokens only; read the dumps with "
            "`detector` on one machine first, which turns identifiers into tokens"
        )
    faults = [
        f"column {name!r} has {found[name]} nulls or values that are not allowed" for name in amiss if found[name]
    ]
    if faults:
        raise SchemaError(f"table {EVENTS.name} ({EVENTS.grain}): " + "; ".join(faults))


def _allowed(name: str, values: Sequence[str]) -> Column:
    return F.coalesce(F.col(name).isin(list(values)), F.lit(False))
