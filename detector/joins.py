"""One way to look facts up, a left join that keeps one copy of the keys; and one way to take rows out."""

from __future__ import annotations

from collections.abc import Sequence

import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa


def attach(rows: ir.Table, facts: ir.Table, keys: str | Sequence[str]) -> ir.Table:
    """`rows` with the columns of `facts` found by `keys`; null where there is no such fact.

    `facts` has at most one row per key, else rows would multiply.
    """
    names = [keys] if isinstance(keys, str) else list(keys)
    return rows.left_join(facts, names).drop(*(f"{name}_right" for name in names))


def to_frame(rows: ir.Table) -> pd.DataFrame:
    """The rows as a DataFrame, computed now."""
    found: pd.DataFrame = rows.to_pandas()
    return found


def to_columns(rows: ir.Table | pa.Table) -> pd.DataFrame:
    """The same for many rows and columns of numbers, texts and days: no object per value, and no copy of a copy.

    Whole numbers of which some are null are floats.
    """
    table = rows if isinstance(rows, pa.Table) else rows.to_pyarrow()
    return pd.DataFrame({name: _own(table[name]) for name in table.column_names}, copy=False)


def _own(column: pa.ChunkedArray) -> pd.Series:
    """In memory of its own: a view of one column would keep all that the database gave with it."""
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("s"))
    empty = pa.array([], column.type)
    found: pd.Series = pa.chunked_array([pa.concat_arrays([empty, *column.chunks, empty])]).to_pandas()
    return found
